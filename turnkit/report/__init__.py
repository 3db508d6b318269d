"""An evaluation as one HTML page that needs nothing but itself.

Tables, the latency / cutoff frontier, calibration, paired differences, the published claim
in its two readings, and the false cutoffs most worth hearing, each with its sound, score
and annotation. Figures are inline SVG and sounds data URIs: no request leaves the page.
"""

from __future__ import annotations

from turnkit.report.page import frontier_curves, to_html

__all__ = ["frontier_curves", "to_html"]
