"""What may be set about the prosody of synthetic turns."""

from __future__ import annotations

from dataclasses import dataclass, fields

from turnkit.errors import ConfigError

_SHARES = (
    "ambiguous",
    "uptalk",
    "falling_questions",
    "creak",
    "glottal",
    "breath_out",
    "breath_in",
)


@dataclass(frozen=True)
class ProsodySettings:
    """How ends and holds are told apart by their sound, and how often they are not.

    Attributes
    ----------
    strength : float
        Distance between ends and holds, in every cue: 0 makes all boundaries draw from
        one and the same distribution, 1 is the default distance, at most 2.
    ambiguous : float
        Share of boundaries that say nothing, whatever they are.
    uptalk : float
        Share of statements that rise.
    falling_questions : float
        Share of questions that fall.
    creak : float
        Share of statements that end in creak; it is rarer elsewhere.
    glottal : float
        Share of holds that are closed by a glottal stop; words that are broken off
        nearly always are.
    breath_out : float
        Share of boundaries after which a breath goes out, ends and holds alike: were it
        not the same, the level of a silence would tell them apart.
    breath_in : float
        Share of holds that are long enough in which a breath is heard before speech
        goes on; ends are followed by one less often.
    hold_stretch, filler_stretch, end_stretch : tuple of float
        Least and greatest factor on the duration of the last syllable before a hold,
        of a hesitation, and at an end.
    breath_db : tuple of float
        Least and greatest level of a breath relative to speech, in dB.
    plain : bool
        Leave every boundary as the voice made it.

    Raises
    ------
    ConfigError
        If a value is out of its range.
    """

    strength: float = 1.2
    ambiguous: float = 0.1
    uptalk: float = 0.1
    falling_questions: float = 0.35
    creak: float = 0.35
    glottal: float = 0.15
    breath_out: float = 0.3
    breath_in: float = 0.45
    hold_stretch: tuple[float, float] = (1.05, 1.75)
    filler_stretch: tuple[float, float] = (1.3, 2.2)
    end_stretch: tuple[float, float] = (1.0, 1.45)
    breath_db: tuple[float, float] = (-38.0, -24.0)
    plain: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.strength <= 2.0:
            raise ConfigError(f"strength {self.strength}: expected a number from 0 to 2")
        for name in _SHARES:
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"{name} {value}: expected a share from 0 to 1")
        for field in fields(self):
            if field.name.endswith("_stretch"):
                _check_range(field.name, getattr(self, field.name), 0.5, 4.0)
        _check_range("breath_db", self.breath_db, -60.0, -10.0)


def _check_range(name: str, value: tuple[float, float], low: float, high: float) -> None:
    if not low <= value[0] <= value[1] <= high:
        raise ConfigError(
            f"{name} {list(value)}: expected two numbers in order, from {low:g} to {high:g}"
        )
