"""What is to be labelled: the settings that decide the labels, and the request that says where they go."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from openmm import unit

from openmmjump.units import Number, to_unit

from . import forcefield

MODES = ("preconditioned", "local-minimizer")
CONSTRAINTS = ("None", "HBonds", "AllBonds", "HAngles")
PRECISIONS = ("mixed", "double")
STRUCTURE_FORMATS = ("cif", "dcd", "xtc")
#: Inverse Debye length in 1/nm is this times sqrt(salt / (dielectric * temperature)), salt in mol/l, temperature in K;
#: OpenMM's user guide and AmberPrmtopFile have the same constant (Amber's ion exclusion of 0.73 is in it).
_KAPPA = 367.434915
#: Units of the settings that have one.
_UNITS = {
    "salt": unit.molar,
    "temperature": unit.kelvin,
    "tolerance": unit.kilojoules_per_mole / unit.nanometer,
    "max_seconds": unit.second,
}


class AnnotationError(ValueError):
    """Labelling that can't be done as it was asked for; the message is one sentence."""


@dataclass(frozen=True)
class LabelSettings:
    """All that decides what the labels of given conformations are. Numbers with a unit may be Quantities.

    Attributes:
        force_field: OpenMM force field files, those that come with OpenMM by their names, others by their paths
        ph: at which hydrogens are added
        salt: mol/l, in the implicit solvent; needs one
        temperature: K, of the screening by salt; kept with the table for weights
        constraints: None, HBonds, AllBonds or HAngles
        solute_dielectric, solvent_dielectric: of the implicit solvent, if there is one
        add_missing_residues: whether residues that are in the file's sequence without coordinates are built
        mode: how to minimise, preconditioned or local-minimizer (OpenMM's), see EnergyAnnotator
        tolerance: root-mean-square force at which a minimisation ends, kJ/mol/nm; None: 1, or 10 of local-minimizer
        max_iterations: of a minimisation; 0: no limit
        max_seconds: s, of a minimisation; 0: no limit. Labels then depend on the speed of the machine
        platform: OpenMM platform; None: the fastest
        precision: mixed or double, of platforms that have a choice
        seed: of what is placed at random: hydrogens and missing heavy atoms
        own_files: names and texts of those force field files that are not OpenMM's; read when the settings are made
    """

    force_field: tuple[str, ...] = ("charmm36.xml", "implicit/gbn2.xml")
    ph: float = 7.0
    salt: Number = 0.0
    temperature: Number = 300.0
    constraints: str = "HBonds"
    solute_dielectric: float = 1.0
    solvent_dielectric: float = 78.5
    add_missing_residues: bool = False
    mode: str = "preconditioned"
    tolerance: Number | None = None
    max_iterations: int = 0
    max_seconds: Number = 0.0
    platform: str | None = None
    precision: str = "mixed"
    seed: int = 1
    own_files: tuple[tuple[str, str], ...] = field(init=False, repr=False, default=())

    def __post_init__(self) -> None:
        """Check every value; raises AnnotationError, or TypeError if one has another dimension."""
        for name, target in _UNITS.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, to_unit(value, target, name.replace("_", " ")))
        for name, choices in (("mode", MODES), ("constraints", CONSTRAINTS), ("precision", PRECISIONS)):
            _check_choice(name, getattr(self, name), choices)
        for name in ("temperature", "solute_dielectric", "solvent_dielectric"):
            _check(getattr(self, name) > 0, f"the {name} must be above 0, not {getattr(self, name)}")
        for name in ("salt", "max_iterations", "max_seconds"):
            _check(getattr(self, name) >= 0, f"{name} must not be negative, but is {getattr(self, name)}")
        _check(0 <= self.ph <= 14, f"the pH must be between 0 and 14, not {self.ph}")
        _check(self.tolerance is None or self.tolerance > 0, f"the tolerance must be above 0, not {self.tolerance}")
        _check(len(self.force_field) > 0, "a force field needs at least one file")
        own = forcefield.read_own(self.force_field)
        object.__setattr__(self, "own_files", tuple(own.items()))
        for name in self.force_field:
            known = name in own or forcefield.is_shipped(name)
            _check(known, f"there is no force field file '{name}', neither here nor among those of OpenMM")
        _check_platform(self.platform)
        _check(
            self.salt == 0 or self.has_implicit_solvent, "salt needs an implicit solvent, and the force field has none"
        )

    @property
    def has_implicit_solvent(self) -> bool:
        """Whether the force field takes the parameters of an implicit solvent."""
        return forcefield.has_implicit_solvent(self.force_field, dict(self.own_files))

    @property
    def kappa(self) -> float:
        """Inverse Debye length of the salt, 1/nm."""
        return _KAPPA * math.sqrt(self.salt / (self.solvent_dielectric * self.temperature))

    def describe(self) -> dict[str, Any]:
        """The settings for a table's provenance: plain values, and force field files by name and SHA-256."""
        described = asdict(self)
        described["force_field"] = forcefield.digests(self.force_field, dict(described.pop("own_files")))
        return described


@dataclass(frozen=True)
class Request:
    """Which conformations are to be labelled, where the labels go, and who works.

    Attributes:
        inputs: PDB and mmCIF files, trajectories, folders, or patterns with * and ?
        out: the table, a Parquet file
        topology: of the trajectories: PDB, mmCIF or anything else with a topology that MDTraj reads
        csv: the same table as CSV
        published_csv: name, initial_e, final_e (kJ/mol) and rmsd (A), as the published labels have them
        structures: folder for the minimised conformations
        structures_format: cif: a file for each conformation; dcd, xtc: one for each molecule, with its topology
        workers: processes on this machine
        scheduler: address of a Dask scheduler, whose workers are then used instead
        restart: forget what an earlier run left
    """

    inputs: tuple[Path | str, ...]
    out: Path
    topology: Path | None = None
    csv: Path | None = None
    published_csv: Path | None = None
    structures: Path | None = None
    structures_format: str = "cif"
    workers: int = 1
    scheduler: str | None = None
    restart: bool = False
    settings: LabelSettings = field(default_factory=LabelSettings)

    def __post_init__(self) -> None:
        """Check the values and make paths of strings; raises AnnotationError."""
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, str) and "Path" in str(each.type):
                object.__setattr__(self, each.name, Path(value))
        _check(len(self.inputs) > 0, "there is nothing to label: give at least one file")
        _check(self.workers >= 1, f"the number of workers must be at least 1, not {self.workers}")
        _check_choice("structures format", self.structures_format, STRUCTURE_FORMATS)


def require_packages() -> None:
    """Raise AnnotationError unless what the extra `annotate` installs is there."""
    for name in ("pdbfixer", "pyarrow", "distributed"):
        _check(find_spec(name) is not None, f'annotation needs {name}: pip install "openmm-jump[annotate]"')


def fingerprint(described: dict[str, Any]) -> str:
    """SHA-256 of a description in plain values; equal descriptions have equal fingerprints."""
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _check_platform(name: str | None) -> None:
    from openmm import Platform

    if name is not None:
        known = [Platform.getPlatform(i).getName() for i in range(Platform.getNumPlatforms())]
        _check_choice("platform", name, known)


def _check_choice(what: str, value: str, choices: Iterable[str]) -> None:
    _check(value in choices, f"the {what} must be one of {', '.join(choices)}, not '{value}'")


def _check(condition: bool, sentence: str) -> None:
    if not condition:
        raise AnnotationError(sentence)
