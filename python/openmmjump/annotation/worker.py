"""What a worker does: build a molecule once, then label its conformations one by one."""

from __future__ import annotations

import io
import math
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from openmmjump.platforms import ONE_THREAD

from .inputs import one_sentence
from .molecules import Array, Conformation, MoleculeSpec, PreparedMolecule, bond_sulfurs, make_topology
from .preparation import prepare, prepare_molecule
from .settings import LabelSettings

#: Force groups of a System.
GROUPS = 32
#: Annotators that a process keeps: each holds a Context, on a GPU that is memory of the device.
KEPT = 4
_PLATFORMS_WITH_PRECISION = ("CUDA", "HIP", "OpenCL")
#: A worker with several threads has them take turns: annotators and the generator of random numbers are shared.
_turn = threading.Lock()
_annotators: OrderedDict[tuple[str, LabelSettings], Any] = OrderedDict()


@dataclass(frozen=True)
class Label:
    """The outcome of one conformation.

    Attributes:
        columns: columns of the table that are known; after an error, only `error`
        platform, precision: that computed it
        positions: minimised, nm, [atoms, 3], if they were asked for
    """

    columns: dict[str, Any]
    platform: str | None = None
    precision: str | None = None
    positions: Array | None = None


def build_molecule(spec: MoleculeSpec) -> PreparedMolecule:
    """Prepare a molecule and its System on the first candidate that works.

    Returns:
        the molecule; if no candidate works, with the first error instead of a System
    """
    errors = []
    for candidate in spec.candidates:
        try:
            with _turn:
                return _add_system(prepare_molecule(spec.residues, candidate, spec.settings))
        except Exception as error:  # of OpenMM, PDBFixer or our own: one bad molecule must not end the run
            errors.append(one_sentence(error))
    error = errors[0] if errors else "no conformation of the molecule can be read"
    return PreparedMolecule(spec.residues, spec.settings, error=error)


def label(molecule: PreparedMolecule, conformation: Conformation, with_positions: bool) -> Label:
    """Label one conformation; an error becomes the label's `error`.

    Raises:
        ImportError: if the installation is not complete, which is no fault of the conformation
    """
    if molecule.error is not None:
        return Label({"error": molecule.error})
    try:
        with _turn:
            annotator = _annotator_of(molecule)
            found = annotator.annotate(prepare(molecule, conformation))
    except ImportError:
        raise
    except Exception as error:
        return Label({"error": one_sentence(error)})
    minimised = found.getPositions() if with_positions else None
    return Label(_columns(found, molecule.groups), annotator.getPlatformName(), annotator.getPrecision(), minimised)


def _columns(found: Any, groups: dict[int, str]) -> dict[str, Any]:
    """An EnergyLabel as columns of the table."""
    return {
        "initial_energy_kJ_mol": _known(found.initialEnergy),
        "final_energy_kJ_mol": _known(found.finalEnergy),
        "initial_group_energies_kJ_mol": _named(found.initialGroupEnergies, groups),
        "final_group_energies_kJ_mol": _named(found.finalGroupEnergies, groups),
        "displacement_nm": _known(found.displacement),
        "heavy_atom_displacement_nm": _known(found.heavyAtomDisplacement),
        "rms_force_kJ_mol_nm": _known(found.rmsForce),
        "iterations": found.iterations,
        "evaluations": found.evaluations,
        "outcome": found.getOutcomeName(),
        "seconds": found.seconds,
    }


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _named(energies: dict[int, float], groups: dict[int, str]) -> dict[str, float]:
    return {groups[group]: float(energy) for group, energy in sorted(energies.items()) if group in groups}


# ---- The System ----------------------------------------------------------------------------------------------------


def _add_system(molecule: PreparedMolecule) -> PreparedMolecule:
    """The molecule with its System, each Force in a group of its own."""
    topology = make_topology(molecule.residues, molecule.atoms)
    bond_sulfurs(topology, molecule.disulfides)
    system = make_system(topology, molecule.settings)
    return replace(molecule, system=system, groups=separate_forces(system))


def make_system(topology: Any, settings: LabelSettings) -> Any:
    """The `openmm.System` of a topology with all atoms: no cutoff, no box."""
    from openmm import app

    constraints = None if settings.constraints == "None" else getattr(app, settings.constraints)
    arguments = {"nonbondedMethod": app.NoCutoff, "constraints": constraints, "removeCMMotion": False}
    if settings.has_implicit_solvent:
        arguments |= {
            "soluteDielectric": settings.solute_dielectric,
            "solventDielectric": settings.solvent_dielectric,
            "implicitSolventKappa": settings.kappa,
        }
    return _force_field(settings).createSystem(topology, **arguments)


@lru_cache(maxsize=1)
def _force_field(settings: LabelSettings) -> Any:
    """The force field; the user's files from their texts, as a worker on another machine may not have them."""
    from openmm import app

    own = dict(settings.own_files)
    return app.ForceField(*(io.StringIO(own[name]) if name in own else name for name in settings.force_field))


def separate_forces(system: Any) -> dict[int, str]:
    """Put each Force of a System into a group of its own, those beyond the last group into that.

    Returns:
        name of each group: that of its Force, numbered if another has the same
    """
    names: dict[int, str] = {}
    for i, force in enumerate(system.getForces()):
        group = min(i, GROUPS - 1)
        force.setForceGroup(group)
        earlier = sum(each.split(" ")[0] == force.getName() for each in names.values())
        names[group] = force.getName() if earlier == 0 else f"{force.getName()} {earlier + 1}"
    if system.getNumForces() > GROUPS:
        names[GROUPS - 1] = "others"
    return names


# ---- The annotator -------------------------------------------------------------------------------------------------


def _annotator_of(molecule: PreparedMolecule) -> Any:
    """The annotator of a molecule, made once and kept while it is in use."""
    key = molecule.digest, molecule.settings
    if key not in _annotators:
        while len(_annotators) >= KEPT:
            _annotators.popitem(last=False)
        _annotators[key] = make_annotator(molecule.system, molecule.settings)
    _annotators.move_to_end(key)
    return _annotators[key]


def make_annotator(system: Any, settings: LabelSettings) -> Any:
    """An `EnergyAnnotator` as the settings want it.

    On the CPU platform it has one thread, so that labels don't depend on the number of cores; several workers make
    better use of them.
    """
    from openmm import Platform

    import openmmjump

    mode = _mode(settings.mode)
    name = settings.platform
    if name is None:
        annotator = openmmjump.EnergyAnnotator(system, mode)
        if annotator.getPlatformName() == "CPU" or settings.precision == "double":
            name = annotator.getPlatformName()
    if name is not None:
        platform = Platform.getPlatform(name)
        annotator = openmmjump.EnergyAnnotator(system, mode, platform, _properties(name, settings.precision))
    if settings.tolerance is not None:
        annotator.setTolerance(settings.tolerance)
    annotator.setMaxIterations(settings.max_iterations)
    annotator.setMaxSeconds(settings.max_seconds)
    return annotator


def _mode(name: str) -> int:
    """How to minimise, as an `EnergyAnnotator` takes it."""
    from openmmjump import EnergyAnnotator

    return {"preconditioned": EnergyAnnotator.Preconditioned, "local-minimizer": EnergyAnnotator.LocalMinimizer}[name]


def _properties(platform: str, precision: str) -> dict[str, str]:
    if platform == "CPU":
        return ONE_THREAD
    return {"Precision": precision} if platform in _PLATFORMS_WITH_PRECISION else {}
