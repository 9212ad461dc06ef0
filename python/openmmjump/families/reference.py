"""The settings of the families in a model file as Markdown: ``python -m openmmjump.families.reference``."""

from __future__ import annotations

import math

from openmmjump import _network

#: What the values of a kind are called.
KINDS = {"bool": "true or false", "int": "integer", "float": "number", "word": "text"}


def reference(family: str) -> str:
    """The rows of a family's settings: docs/model-format.md holds a copy.

    Args:
        family: name of a family that the engine knows

    Raises:
        ValueError: there is none
    """
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for each in _network.family(family).settings:
        if each.section != "model":
            where = f"{each.section}." if each.section == "sampler" else ""
            default = "" if each.required else f"`{each.default}`"
            rows.append(f"| `{where}{each.key}` | {_value(each)} | {default} | {each.help} |")
    return "\n".join(rows)


def _value(setting: _network.Setting) -> str:
    """What a value may be."""
    if setting.kind == "word":
        return ", ".join(f"`{word}`" for word in setting.words)
    kind, low, high = KINDS[setting.kind], setting.low, setting.high
    if setting.kind == "bool" or low == -math.inf:
        return kind
    if low == high:
        return f"{low:.10g}"
    if high == math.inf:
        return f"{kind} {'>' if setting.low_open else '≥'} {low:.10g}"
    return f"{kind}, {'above ' if setting.low_open else ''}{low:.10g} to {high:.10g}"


if __name__ == "__main__":
    for name in _network.families():
        print(f"{name}:\n\n{reference(name)}\n")
