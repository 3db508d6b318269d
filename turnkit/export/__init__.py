"""From a training run to a bundle: ONNX graphs, their precision, and the model card."""

from turnkit.export.run import export_run

__all__ = ["export_run"]
