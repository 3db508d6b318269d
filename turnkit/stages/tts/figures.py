"""Figures in words: numbers, money, clock times, dates, fractions, units.

Numbers are worded by ``num2words`` (LGPL, used as a library).
"""

from __future__ import annotations

import re

from turnkit.errors import MissingDependencyError

COINS = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
}
"""Signs of currencies: one and many, of the coin and of its hundredth."""

UNITS = {
    "mm": "millimeter", "cm": "centimeter", "m": "meter", "km": "kilometer", "mi": "mile",
    "ft": "foot", "yd": "yard", "mg": "milligram", "g": "gram", "kg": "kilogram",
    "oz": "ounce", "lb": "pound", "lbs": "pound", "ml": "milliliter", "l": "liter",
    "ms": "millisecond", "sec": "second", "secs": "second", "min": "minute",
    "mins": "minute", "h": "hour", "hr": "hour", "hrs": "hour", "kb": "kilobyte",
    "mb": "megabyte", "gb": "gigabyte", "tb": "terabyte", "kw": "kilowatt",
    "kwh": "kilowatt hour", "hz": "hertz", "khz": "kilohertz", "mhz": "megahertz",
    "ghz": "gigahertz",
}  # fmt: skip
"""Units that stand behind a number."""

_PLURALS = {"foot": "feet"}
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
_LONGEST_MONTH = 31
_PARTS = {2: ("half", "halves"), 3: ("third", "thirds"), 4: ("quarter", "quarters")}
_MAGNITUDES = {"k": "thousand", "m": "million", "b": "billion"}


def number(digits: str, to: str = "cardinal") -> list[str]:
    """Words of a whole number, as ``num2words`` has them: cardinal, ordinal or year.

    Raises
    ------
    MissingDependencyError
        If ``num2words`` is not installed.
    """
    try:
        from num2words import num2words
    except ImportError as error:
        raise MissingDependencyError("num2words", "tts", "speaking numbers") from error
    return re.findall(r"[a-z]+", str(num2words(int(digits), to=to)).lower())


def one_by_one(found: str) -> list[str]:
    """Words of the digits: a telephone number."""
    return [word for digit in found if digit.isdecimal() for word in number(digit)]


def figure(found: str) -> list[str]:
    """Words of a number that may have a decimal part and thousands set apart."""
    whole, _, part = found.replace(",", "").partition(".")
    words = one_by_one(whole) if not whole or len(whole) > len("999999999") else number(whole)
    return [*words, "point", *one_by_one(part)] if part else words


def clock(found: str) -> list[str]:
    """Words of a time such as 7:05."""
    hours, minutes = found.split(":")
    if int(minutes) == 0:
        return [*number(hours), "o'clock"]
    oh = ["oh"] if int(minutes) < len("0123456789") else []
    return [*number(hours), *oh, *number(minutes)]


def full_hour(found: str) -> list[str]:
    """Words of the hour of a time such as 7:00 before "am" or "pm"."""
    return number(found.partition(":")[0])


def money(found: str) -> list[str]:
    """Words of an amount such as $12.50, $1.5 million or $5k."""
    one, many, small, smalls = COINS[found[0]]
    amount, magnitude = re.findall(r"[\d.]+|[a-z]+|$", found[1:].lower().replace(",", ""))[:2]
    if magnitude:
        return [*figure(amount), _MAGNITUDES.get(magnitude) or str(magnitude), many]
    whole, _, part = amount.partition(".")
    words = [*figure(whole), one if int(whole) == 1 else many]
    cents = int((part + "00")[:2])
    if not cents:
        return words
    coins = [*number(str(cents)), small if cents == 1 else smalls]
    return [*words, "and", *coins] if int(whole) else coins


def date(found: str) -> list[str]:
    """Words of 2026-11-22 or 11/22/2026: month, day, year; digits if it is no date."""
    first, second, third = re.findall(r"\d+", found)
    year, month, day = (first, second, third) if "-" in found else (third, first, second)
    if not (1 <= int(month) <= len(_MONTHS) and 1 <= int(day) <= _LONGEST_MONTH):
        return one_by_one(found)
    return [_MONTHS[int(month) - 1], *number(day, to="ordinal"), *number(year, to="year")]


def fraction(found: str) -> list[str]:
    """Words of halves, thirds and quarters."""
    above, below = found.split("/")
    return [*number(above), _PARTS[int(below)][above != "1"]]


def decade(found: str) -> list[str]:
    """Words of 1990s."""
    *words, last = number(found.rstrip("'sS"), to="year")
    return [*words, last[:-1] + "ies" if last.endswith("y") else last + "s"]


def unit(found: str, *, one: bool) -> list[str]:
    """Words of a unit behind a number, singular behind 1."""
    *words, last = UNITS[found.lower()].split()
    same = one or last.endswith("z")
    return [*words, last if same else _PLURALS.get(last, last + "s")]
