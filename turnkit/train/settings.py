"""The parts of a recipe: what is trained on, what is learned, and how.

Every value is checked when it is read, hours before it would be used; messages name it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from turnkit.augment import Augmentation
from turnkit.errors import ConfigError

NO_ENCODER = "none"
SMART_TURN = "smart-turn"
"""Names that `EncoderSettings.source` takes beside paths and hub ids."""


def between(name: str, value: float, low: float, high: float) -> None:
    """Refuse a value outside `low` .. `high`."""
    if not low <= value <= high:
        raise ConfigError(f"{name} {value!r}: expected {low:g} .. {high:g}")


def at_least(name: str, value: float, low: float) -> None:
    """Refuse a value below `low`."""
    if not value >= low:
        raise ConfigError(f"{name} {value!r}: expected {low:g} or more")


@dataclass(frozen=True, slots=True)
class CorpusEntry:
    """One corpus to train on.

    Attributes
    ----------
    source : str or None
        Anything that `turnkit.corpus.load_corpus` takes. None is a blank that the
        command line fills in: ``corpus=PATH`` fills the first.
    split : str or None
        ``train`` if it has several and this says nothing.
    labels : bool
        False for audio whose silence spans were found by a VAD, so that nobody knows
        which of them end a turn: the encoder's scores alone teach there.
    weight : float
        Of each of its rows in the loss.
    validation : float or None
        Share of its speakers held out, instead of ``data.validation``; 0 trains on all.
    max_turns : int or None
        Rows to use at most, drawn at random.
    copies : int or None
        Versions of each row for a streaming network, instead of ``augment.copies``: a
        large corpus may be varied enough as it is.
    """

    source: str | None = None
    split: str | None = None
    labels: bool = True
    weight: float = 1.0
    validation: float | None = None
    max_turns: int | None = None
    copies: int | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.weight <= 1000.0:
            raise ConfigError(f"weight {self.weight!r}: expected more than 0, at most 1000")
        if self.validation is not None:
            between("validation", self.validation, 0.0, 0.9)
            if self.validation > 0 and not self.labels:
                raise ConfigError("validation: a corpus without labels has nothing to validate on")
        if self.max_turns is not None:
            at_least("max_turns", self.max_turns, 1)
        if self.copies is not None:
            between("copies", self.copies, 1, 100)


@dataclass(frozen=True, slots=True)
class DataSettings:
    """What is trained on.

    Attributes
    ----------
    corpora : tuple of CorpusEntry
    validation : float
        Share of the speakers of each labelled corpus that train no weights. Early
        stopping and the choice of the best weights look at them, and the frozen
        policies are fitted on them at the end.
    workers : int or None
        Processes that fill the caches; one a core by default.
    loader_workers : int
        Processes that prepare batches; 0 prepares them in the training process.
    """

    corpora: tuple[CorpusEntry, ...] = (CorpusEntry(),)
    validation: float = 0.25
    workers: int | None = None
    loader_workers: int = 0

    def __post_init__(self) -> None:
        between("validation", self.validation, 0.0, 0.9)
        at_least("loader_workers", self.loader_workers, 0)
        if self.workers is not None:
            at_least("workers", self.workers, 1)
        if not self.corpora:
            raise ConfigError("corpora: expected at least one")
        if not any(entry.labels and self.held_out(entry) > 0 for entry in self.corpora):
            raise ConfigError(
                "validation 0.0: expected some speakers of a labelled corpus held out, "
                "for early stopping and the policies"
            )

    def held_out(self, entry: CorpusEntry) -> float:
        """Share of a corpus' speakers that train no weights."""
        if not entry.labels:
            return 0.0
        return self.validation if entry.validation is None else entry.validation


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """The pretrained speech encoder: what a head sits on, or what a network learns from.

    Attributes
    ----------
    source : str
        ``smart-turn`` (Smart Turn v3.2's encoder), a path of an ONNX file, the path or
        hub id of a `transformers` Whisper model, or ``none``.
    times_s : tuple of float
        Rising seconds of silence at which it is asked; the first is 0.2 or later.
    window_s : float
        Seconds that it hears; 8 with Smart Turn.
    """

    source: str = SMART_TURN
    times_s: tuple[float, ...] = (0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.4)
    window_s: float = 8.0

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.times_s, self.times_s[1:], strict=False))
        if not self.times_s or not rising or self.times_s[0] < 0.2 or self.times_s[-1] > 5.0:
            raise ConfigError(f"times_s {list(self.times_s)}: expected rising seconds in 0.2 .. 5")
        between("window_s", self.window_s, 1.0, 30.0)
        if not self.source:
            raise ConfigError(f"source '': expected {SMART_TURN}, a path, a hub id or {NO_ENCODER}")


@dataclass(frozen=True, slots=True)
class AugmentSettings:
    """Variety that training adds.

    Attributes
    ----------
    copies : int
        Versions of each row for a streaming network, the first unchanged.
    audio : Augmentation
        What the others go through; their features are cached.
    mask_chance : float
        Share of rows in a batch that lose a few neighbouring mel bands (after
        SpecAugment, Park et al. 2019).
    mask_bands : int
        How many at most.
    frame_noise : float
        Standard deviation of noise on the features.
    """

    copies: int = 4
    audio: Augmentation = field(default_factory=Augmentation)
    mask_chance: float = 0.5
    mask_bands: int = 6
    frame_noise: float = 0.02

    def __post_init__(self) -> None:
        between("copies", self.copies, 1, 100)
        between("mask_chance", self.mask_chance, 0.0, 1.0)
        between("mask_bands", self.mask_bands, 1, 64)
        between("frame_noise", self.frame_noise, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class LossSettings:
    """Weights of the parts of the loss.

    Attributes
    ----------
    label : float
        Hold or end of turn, in every frame of a silence from 0.1 s on.
    distill : float
        The score that a head on the encoder gives (Hinton et al. 2015), cross-fitted so
        that nobody learns from a head that heard the same speaker.
    speech : float
        Speech or not, in every frame.
    hidden : float
        The encoder's own frames, reduced to 64 numbers, 80 ms late (Romero et al. 2015).
    outlook : float
        Hold or end of turn, in the 0.4 s before a silence.
    smoothing : float
        How far labels are drawn towards 0.5.
    l2 : float
        Penalty on the squared weights of a head, and of the heads that teach.
    """

    label: float = 1.0
    distill: float = 1.0
    speech: float = 0.5
    hidden: float = 1.0
    outlook: float = 0.1
    smoothing: float = 0.02
    l2: float = 0.2

    def __post_init__(self) -> None:
        for name in ("label", "distill", "speech", "hidden", "outlook", "l2"):
            between(name, getattr(self, name), 0.0, 1000.0)
        between("smoothing", self.smoothing, 0.0, 0.5)

    @property
    def needs_encoder(self) -> bool:
        """Whether a streaming network learns from an encoder."""
        return self.distill > 0 or self.hidden > 0


@dataclass(frozen=True, slots=True)
class OptimiserSettings:
    """AdamW, warmed up and then let down along a cosine.

    Attributes
    ----------
    learning_rate : float
        At its highest.
    weight_decay : float
    batch_size : int
        Rows of a batch, on each device.
    warmup : float
        Share of the steps until the learning rate is at its highest.
    average : float
        Decay of the running average of the weights, per step, which is what is validated
        and kept (Polyak & Juditsky 1992); 0 keeps the weights themselves.
    """

    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    batch_size: int = 24
    warmup: float = 0.1
    average: float = 0.99

    def __post_init__(self) -> None:
        if not 0.0 < self.learning_rate <= 1.0:
            raise ConfigError(f"learning_rate {self.learning_rate!r}: expected above 0, at most 1")
        between("weight_decay", self.weight_decay, 0.0, 10.0)
        at_least("batch_size", self.batch_size, 1)
        between("warmup", self.warmup, 0.0, 0.9)
        between("average", self.average, 0.0, 0.99999)


@dataclass(frozen=True, slots=True)
class ValidationSettings:
    """Replay of the speakers held out.

    Attributes
    ----------
    every_n_epochs : int
    patience : int
        Validations without a better FC@300 (ties: FC@600) after which training stops.
    """

    every_n_epochs: int = 1
    patience: int = 5

    def __post_init__(self) -> None:
        at_least("every_n_epochs", self.every_n_epochs, 1)
        at_least("patience", self.patience, 1)


@dataclass(frozen=True, slots=True)
class CheckpointSettings:
    """When the state of training is saved, beside the end of each epoch.

    Attributes
    ----------
    every_n_steps : int
    """

    every_n_steps: int = 50

    def __post_init__(self) -> None:
        at_least("every_n_steps", self.every_n_steps, 1)
