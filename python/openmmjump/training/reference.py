"""The settings of a training configuration as Markdown: ``python -m openmmjump.training.reference``."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator

from openmmjump.families import list_families

from .config import Config
from .settings import Data


def reference() -> str:
    """Every setting with its default and what it means, as Markdown tables; docs/training.md holds a copy."""
    shared = [("The file", Config), *_nested(Config, ""), ("data (a list)", Data), *_nested(Data, "data.*.")]
    for family in list_families():
        of = f" ({family.name})"
        shared.append((f"network{of}", family.network_class))
        shared.append((f"sampler{of}", family.sampler_class))
        if family.data() is not Data:
            shared.append((f"data{of}, beside those above", family.data()))
        for stage in family.stages():
            kinds = ", ".join(typing.get_args(typing.get_type_hints(stage)["kind"]))
            shared += [(f"stages of kind {kinds}{of}", stage), *((t + of, c) for t, c in _nested(stage, "stages.*."))]
    return "\n".join(_table(title, part) for title, part in _once(shared))


def _nested(part: type, path: str) -> Iterator[tuple[str, type]]:
    """The dataclasses among the fields of one, but for what is told for each family."""
    for name, hint in typing.get_type_hints(part).items():
        for each in (hint, *typing.get_args(hint)):
            chosen = next(f for f in dataclasses.fields(part) if f.name == name).metadata.get("choose")
            if dataclasses.is_dataclass(each) and chosen is None:
                yield f"{path}{name}", each


def _once(parts: list[tuple[str, type]]) -> Iterator[tuple[str, type]]:
    """Each part at its first place; what several families share without a family in its title."""
    seen = set()
    for title, part in parts:
        if part not in seen:
            seen.add(part)
            yield title.split(" (")[0] if part.__module__ == Data.__module__ and part is not Data else title, part


def _table(title: str, part: type) -> str:
    rows = [f"### {title}", "", "| key | default | meaning |", "|---|---|---|"]
    told = {f.name: f for f in dataclasses.fields(Data)} if issubclass(part, Data) and part is not Data else {}
    for field in dataclasses.fields(part):
        if field is not told.get(field.name):
            rows.append(f"| `{field.name}` | {_default(field)} | {field.metadata['help']} |")
    return "\n".join([*rows, ""])


def _default(field: dataclasses.Field) -> str:
    if field.default is not dataclasses.MISSING:
        text = str(field.default).lower() if isinstance(field.default, bool) else field.default
        return "" if text in (None, "") else f"`{text}`"
    return "" if field.default_factory is not dataclasses.MISSING else "required"


if __name__ == "__main__":
    print(reference())
