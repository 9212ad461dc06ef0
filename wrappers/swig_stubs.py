"""Type stubs of a module made by SWIG, from the module itself and the parse tree that SWIG made it from (-xmlout).

The module says which names there are, and the parse tree which C++ types stand behind them. What is written in Python
brings its own annotations.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import keyword
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

QUANTITY = "openmm.unit.Quantity"
ARRAY = "numpy.typing.NDArray[typing.Any]"
#: Python types of C++ types, as parameters and as results. Whatever is a double may be given with a unit.
PARAMETERS = {
    "double": f"float | {QUANTITY}",
    "std::vector<double>": f"collections.abc.Sequence[float] | {ARRAY}",
    "std::vector<OpenMM::Vec3>": f"collections.abc.Sequence[typing.Any] | {ARRAY} | {QUANTITY}",
    "std::map<std::string,std::string>": "collections.abc.Mapping[str, str]",
}
RESULTS = {
    "double": "float",
    "void": "None",
}
BOTH = {
    "bool": "bool",
    "int": "int",
    "long long": "int",
    "size_t": "int",
    "ptrdiff_t": "int",
    "std::string": "str",
    "size_type": "int",
    "difference_type": "int",
}
#: Types of attributes, as they may be set, where C++ does not tell.
ATTRIBUTES = {
    "forceGroups": "collections.abc.Iterable[int] | int",
    "timeGrid": PARAMETERS["std::vector<double>"],
}
#: Members that a stub doesn't name: those of any class, and __setattr__, which would make every attribute known.
HIDDEN = {"__module__", "__doc__", "__dict__", "__weakref__", "__repr__", "__annotations__", "__hash__", "__setattr__"}


@dataclass(frozen=True)
class Parameter:
    """A parameter of a C++ function: name, type in Python, and whether it has a default."""

    name: str
    type: str
    optional: bool


@dataclass(frozen=True)
class Overload:
    """A C++ function: parameters, without the object, and type of the result in Python."""

    parameters: tuple[Parameter, ...]
    result: str


# ---- The parse tree ------------------------------------------------------------------------------------------------


class ParseTree:
    """What the module was made from.

    Attributes:
        overloads: the C++ functions behind each function of the low-level module
        library: names of the classes that SWIG's library brings
    """

    def __init__(self, path: Path, classes: set[str]) -> None:
        """Read SWIG's parse tree; `classes` are those of the module."""
        root = ET.parse(path).getroot()
        self.library = {
            attributes.get("sym_name", "")
            for attributes in map(_attributes, root.iter("class"))
            if attributes.get("name", "").startswith(("std::", "swig::"))
        }
        types = _Types({_attributes(node).get("enumtype", "") for node in root.iter("enum")}, classes)
        self.overloads: dict[str, list[Overload]] = {}
        for node in root.iter():
            attributes = _attributes(node) if node.tag in ("cdecl", "constructor") else {}
            # A default argument makes a second function without it, which points to the first.
            if "wrap_name" in attributes and "defaultargs" not in attributes:
                name = re.sub(r"__SWIG_\d+$", "", attributes["wrap_name"].removeprefix("_wrap_"))
                self.overloads.setdefault(name, []).append(_overload(node, attributes, types))


def _attributes(node: ET.Element) -> dict[str, str]:
    return {each.get("name", ""): each.get("value", "") for each in node.findall("attributelist/attribute")}


def _overload(node: ET.Element, attributes: dict[str, str], types: _Types) -> Overload:
    parameters = []
    for i, each in enumerate(node.findall("attributelist/parmlist/parm")):
        given = _attributes(each)
        if given.get("tmap_in_numinputs") == "0" or given["type"] == "p.p.PyObject":  # filled in by the wrapper
            continue
        name = given.get("name") or f"argument{i}"
        name += "_" if keyword.iskeyword(name) else ""
        kind = "bytes" if "PyBytes" in given.get("tmap_in", "") else types.parameter(given["type"])
        parameters.append(Parameter(name, kind, "value" in given))
    if node.tag == "constructor":
        return Overload(tuple(parameters), "None")
    result = "bytes" if "PyBytes" in attributes.get("tmap_out", "") else types.result(attributes["type"])
    return Overload(tuple(parameters), result)


class _Types:
    """Python types of C++ types as SWIG spells them: "r.q(const).std::vector<(double)>" is a const reference."""

    def __init__(self, enums: set[str], classes: set[str]) -> None:
        self._enums = enums
        self._classes = classes

    def parameter(self, spelled: str) -> str:
        return self._find(_plain(spelled), PARAMETERS, "collections.abc.Sequence[{}]")

    def result(self, spelled: str) -> str:
        return self._find(_plain(spelled), RESULTS, "tuple[{}, ...]")

    def _find(self, plain: str, table: dict[str, str], sequence: str) -> str:
        namespace, _, name = plain.rpartition("::")
        if plain in self._enums:
            return "int"
        if name in self._classes:
            return name
        if namespace == "OpenMM":
            return f"openmm.{name}"
        known = table.get(plain) or BOTH.get(plain)
        vector = re.fullmatch(r"std::vector<(.*)>", plain)
        if known is None and vector is not None:
            return sequence.format(self._find(vector[1], table, sequence))
        return known or "typing.Any"


def _plain(spelled: str) -> str:
    """A type without reference, const and allocators; a type that a container defines as what it stands for."""
    plain = re.sub(r"^[rp]\.", "", spelled.replace("q(const).", "")).replace("<(", "<").replace(")>", ">")
    while (shorter := re.sub(r",std::(allocator|less)<[^<>]*(<[^<>]*>)?[^<>]*>", "", plain)) != plain:
        plain = shorter
    member = re.fullmatch(r"std::(?:vector|map)<(.*)>::(\w+)", plain)
    if member is None:
        return plain
    arguments = member[1].split(",")
    defined = {"key_type": arguments[0], "mapped_type": arguments[-1], "value_type": arguments[-1]}
    return defined.get(member[2], member[2])


# ---- The stub ------------------------------------------------------------------------------------------------------


class Stub:
    """The text of the stub of a module."""

    def __init__(self, module: ModuleType, tree: Path) -> None:
        self._module = module
        own = [each for each in vars(module).values() if inspect.isclass(each) and each.__module__ == module.__name__]
        self._classes = own
        parsed = ParseTree(tree, {each.__name__ for each in own})
        self._overloads = parsed.overloads
        self._library = parsed.library
        self._properties: dict[str, property] = {}  # of the class at hand
        self._imports = {"import collections.abc", "import numpy.typing", "import openmm.unit", "import typing"}

    def text(self) -> str:
        """The whole file."""
        lines = []
        for each in self._classes:
            lines += ["", *self._class(each)]
        lines.append("")
        for name, value in vars(self._module).items():
            foreign = getattr(value, "__module__", self._module.__name__) != self._module.__name__
            if name.startswith("_") or inspect.isclass(value) or inspect.ismodule(value) or foreign:
                continue
            if isinstance(value, FunctionType):
                lines += self._function(name, value)
            else:
                lines.append(f"{name}: {'int' if isinstance(value, int) else 'typing.Any'}")
        head = "# Made by wrappers/make_stubs.py.\n" + "".join(f"{each}\n" for each in sorted(self._imports))
        return head + "\n".join(lines) + "\n"

    def _class(self, cls: type) -> Iterator[str]:
        self._properties = {name: value for name, value in vars(cls).items() if isinstance(value, property)}
        bases = [self._type_name(base) for base in cls.__bases__ if base is not object]
        if type(cls) is not type and cls.__bases__ == (object,):
            bases.append(f"metaclass={type(cls).__name__}")
        yield f"class {cls.__name__}({', '.join(bases)}):" if bases else f"class {cls.__name__}:"
        if cls.__name__ in self._library:  # SWIG's own business
            lines = [f"{name}: typing.Any" for name in vars(cls) if self._is_shown(name)]
        else:
            lines = [
                line for name, value in vars(cls).items() if self._is_shown(name) for line in self._member(name, value)
            ]
        yield from (f"    {line}" for line in lines or ["..."])

    @staticmethod
    def _is_shown(name: str) -> bool:
        return name not in HIDDEN and (name.startswith("__") or not name.startswith("_"))

    def _type_name(self, cls: type) -> str:
        return cls.__name__ if cls.__module__ in ("builtins", self._module.__name__) else self._foreign(cls)

    def _foreign(self, cls: type) -> str:
        """The name under which a class of another module is known there."""
        package = cls.__module__.partition(".")[0]
        home = package if getattr(sys.modules[package], cls.__name__, None) is cls else cls.__module__
        self._imports.add(f"import {home}")
        return f"{home}.{cls.__name__}"

    def _member(self, name: str, value: Any) -> Iterator[str]:
        if isinstance(value, property):
            yield from self._property(name, value)
        elif isinstance(value, staticmethod):
            yield from self._function(name, value.__func__, "staticmethod")
        elif isinstance(value, FunctionType):
            yield from self._function(name, value, "method")
        else:
            yield f"{name}: {'int' if isinstance(value, int) else 'typing.Any'}"

    def _property(self, name: str, value: property) -> Iterator[str]:
        kind = self._attribute_type(name, value)
        yield "@property"
        yield f"def {name}(self) -> {kind}: ..."
        if value.fset is not None:
            yield f"@{name}.setter"
            yield f"def {name}(self, value: {self._setter_type(name, value)}) -> None: ..."

    def _setter_type(self, name: str, value: property) -> str:
        setter = self._overloads.get(getattr(value.fset, "__name__", ""))
        if name in ATTRIBUTES:
            return ATTRIBUTES[name]
        kind = setter[0].parameters[-1].type if setter else self._attribute_type(name, value)
        return PARAMETERS["double"] if kind == "float" else kind

    def _attribute_type(self, name: str, value: property) -> str:
        low_level = self._overloads.get(getattr(value.fget, "__name__", ""))
        if low_level is not None:
            return low_level[0].result
        if name == "thisown":
            return "bool"
        return self._annotation(value.fget, inspect.signature(value.fget).return_annotation) or "typing.Any"

    def _function(self, name: str, function: FunctionType, kind: str = "") -> Iterator[str]:
        """The lines of a function, one definition for each overload."""
        swig = inspect.unwrap(function)  # without what _api_methods.py puts round it
        overloads = next((self._overloads[each] for each in swig.__code__.co_names if each in self._overloads), None)
        if overloads is None or "_api" not in swig.__code__.co_names:
            found = [self._python_signature(function)]
        elif any(each.kind is each.VAR_POSITIONAL for each in inspect.signature(swig).parameters.values()):
            found = [self._overload_signature(each, function, kind) for each in overloads]
        else:
            found = [self._wrapper_signature(overloads[0], swig, function)]
        for signature in found:
            yield from ["@typing.overload"] if len(found) > 1 else []
            yield from ["@staticmethod"] if kind == "staticmethod" else []
            yield f"def {name}{signature}: ..."

    def _overload_signature(self, overload: Overload, function: FunctionType, kind: str) -> str:
        """Of a function that takes *args, hence no names."""
        given = [f"{each.name}: {each.type}{' = ...' if each.optional else ''}" for each in overload.parameters]
        parameters = ["self"] if kind == "method" else []
        parameters += [*given, "/"] if given or parameters else []
        return f"({', '.join(parameters)}) -> {_result(overload, function)}"

    def _wrapper_signature(self, overload: Overload, swig: FunctionType, function: FunctionType) -> str:
        """Of a function with the names of its parameters."""
        names = list(inspect.signature(swig).parameters.values())
        types = [each.type for each in overload.parameters]
        parameters = []
        for i, each in enumerate(names):
            j = i - (len(names) - len(types))  # without the object
            default = "" if each.default is each.empty else " = ..."
            parameters.append(each.name if j < 0 else f"{each.name}: {types[j]}{default}")
        return f"({', '.join(parameters)}) -> {_result(overload, function)}"

    def _python_signature(self, function: FunctionType) -> str:
        """Of a function that is written in Python, as it is annotated."""
        signature = inspect.signature(function)
        parameters = [
            each.replace(
                annotation=each.empty if each.name == "self" else self._parameter_type(function, each),
                default=each.empty if each.default is each.empty else _Verbatim("..."),
            )
            for each in signature.parameters.values()
        ]
        result = self._verbatim(function, signature.return_annotation)
        return str(signature.replace(parameters=parameters, return_annotation=result))

    def _parameter_type(self, function: FunctionType, parameter: inspect.Parameter) -> Any:
        held = self._properties.get(parameter.name)
        if held is not None and parameter.kind is parameter.KEYWORD_ONLY:  # a setting given to the constructor
            return _Verbatim(self._setter_type(parameter.name, held))
        return self._verbatim(function, parameter.annotation)

    def _verbatim(self, function: FunctionType, annotation: Any) -> Any:
        text = self._annotation(function, annotation)
        return inspect.Signature.empty if text is None else _Verbatim(text)

    def _annotation(self, function: Any, annotation: Any) -> str | None:
        """An annotation as it must stand in the stub, with what it needs imported; None if there is none."""
        if annotation is inspect.Signature.empty:
            return None
        text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
        text = re.sub(rf"\b{self._module.__name__.rpartition('.')[2]}\.", "", text)  # names of the stub itself
        for node in ast.walk(ast.parse(text, mode="eval")):
            if isinstance(node, ast.Name):
                self._import(node.id, function)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                parent = function.__globals__.get(node.value.id)
                if hasattr(parent, "__path__") and find_spec(f"{parent.__name__}.{node.attr}") is not None:
                    self._imports.add(f"import {parent.__name__}.{node.attr}")
        return text

    def _import(self, name: str, function: Any) -> None:
        """Import what a name in an annotation of a function stands for."""
        value = function.__globals__.get(name, getattr(self._module, name, None))
        if inspect.ismodule(value):
            self._imports.add(f"import {value.__name__}" + (f" as {name}" if value.__name__ != name else ""))
        elif value is not None and not hasattr(value, "__name__"):  # an alias
            self._imports.add(f"from {function.__module__} import {name}")
        elif value is not None and getattr(value, "__module__", "") != self._module.__name__:
            renamed = f" as {name}" if value.__name__ != name else ""
            self._imports.add(f"from {value.__module__} import {value.__name__}{renamed}")
        elif value is None and not hasattr(builtins, name) and name not in {each.__name__ for each in self._classes}:
            raise NameError(f"the name {name} in an annotation of {function.__qualname__} is not known there")


class _Verbatim:
    """Text that is shown as it is."""

    def __init__(self, text: str | None) -> None:
        self._text = text

    def __repr__(self) -> str:
        return str(self._text)


def _result(overload: Overload, function: FunctionType) -> str:
    """A wrapper that appends a unit returns a Quantity."""
    with_unit = overload.result == "float" and "Quantity" in function.__code__.co_names
    return QUANTITY if with_unit else overload.result
