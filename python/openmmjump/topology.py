"""Makes the :class:`MolecularGraph` of an :class:`openmm.app.Topology`: what a transfer operator sees of a System."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from openmm import System
    from openmm.app import Topology
    from openmm.app.topology import Atom, Residue

#: Residues of the block vocabulary, in its order: their blocks are 118 to 137. Blocks 0 to 117 are elements.
RESIDUE_BLOCKS = (
    "GLY ALA VAL LEU ILE PHE TRP TYR ASP HIS ASN GLU LYS GLN MET ARG SER THR CYS PRO".split()
)  # fmt: skip
NUM_ELEMENTS = 118

#: Other names of the same residues: protonation states and oxidation states share a block.
RESIDUE_ALIASES = {
    **dict.fromkeys("HID HIE HIP HSD HSE HSP HISA HISB HISD HISE HISH HISP HIS1 HIS2".split(), "HIS"),
    **dict.fromkeys("CYX CYM CYS2 CYSH CYSX".split(), "CYS"),
    **dict.fromkeys("ASH ASPH ASPP".split(), "ASP"),
    **dict.fromkeys("GLH GLUH GLUP".split(), "GLU"),
    **dict.fromkeys("LYN LSN LYSH LYSN".split(), "LYS"),
    **dict.fromkeys("ARN ARGN".split(), "ARG"),
    "MSE": "MET",
}

#: Names under which water comes. A residue of one oxygen and two hydrogens is water by any name.
WATER_NAMES = frozenset(
    "HOH H2O WAT SOL DOD TIP TIP2 TIP3 TIP3P TIP4 TIP4P TIP5 TIP5P TP3 TP4 TP5 SPC SPCE OPC".split()
)

#: Residue names that PDB files use for a ligand without a name of its own.
LIGAND_NAMES = ("LIG", "MOL", "UNK", "UNL")

#: Stereocentres of amino acids by atom name, for topologies without hydrogens: residue (None: any) and its atoms.
_NAMED_STEREOCENTERS = (
    (None, ("CA", "N", "C", "CB")),
    ("ILE", ("CB", "CA", "CG1", "CG2")),
    ("THR", ("CB", "CA", "OG1", "CG2")),
)

#: Elements whose atoms with four neighbours are tetrahedral and do not invert: C, N, Si, P, S, Ge, As, Se.
_TETRAHEDRAL_ELEMENTS = frozenset((6, 7, 14, 15, 16, 32, 33, 34))

#: A double bond in a smaller ring cannot go from cis to trans: no ring smaller than cyclooctene is stable as trans.
_MIN_STEREO_RING = 8

#: A difference between two substituents is looked for up to this many bonds away.
_MAX_COLOR_ROUNDS = 100


def standard_residue(name: str) -> str | None:
    """The residue of the vocabulary that a residue name stands for, or None.

    Knows the aliases of protonation states and Amber's four-letter names of terminal residues (NALA, CHIE).
    """
    name = name.strip().upper()
    name = RESIDUE_ALIASES.get(name, name)
    if name in RESIDUE_BLOCKS:
        return name
    if len(name) == 4 and name[0] in "NC":
        inner = RESIDUE_ALIASES.get(name[1:], name[1:])
        return inner if inner in RESIDUE_BLOCKS else None
    return None


def block_type(residue_name: str, atomic_number: int, ligand: bool = False) -> int:
    """The block of an atom: 118 to 137 in a standard residue, else the block of its element.

    Caps (ACE, NME), modified residues, nucleotides and ligands have no block of their own in the vocabulary: their
    atoms take the block of their element, like the atoms of a small molecule.
    """
    residue = None if ligand else standard_residue(residue_name)
    return atomic_number - 1 if residue is None else NUM_ELEMENTS + RESIDUE_BLOCKS.index(residue)


def fromTopology(
    topology: Topology,
    model: Any = None,
    system: System | None = None,
    ligand_residues: Iterable[str | int | Residue] = LIGAND_NAMES,
    residues: Iterable[int | Residue] | None = None,
    atoms: Iterable[int | Atom] | None = None,
    positions: Any = None,
    *,
    graph: Any = None,
) -> Any:
    """Make the MolecularGraph of a Topology.

    Every heavy atom becomes a model atom, in the order of the Topology: those of caps, modified residues and ligands
    as well. Hydrogens, virtual sites and other extra particles ride on the nearest heavy atom; a model that moves
    hydrogens itself has them as model atoms too. Water and monatomic ions are left out unless they
    are selected. Bonds, their orders, the stereocentres and the stereo bonds (see
    :func:`find_stereo_bonds`) come from the Topology.

    Parameters
    ----------
    topology
        The Topology. Its atoms must be the particles of the System, in the same order.
    model
        The JumpModel that will move the atoms; if given, it must have been trained for all of them.
    system
        The System; if given, it says which atoms its virtual sites and Drude particles belong to.
    ligand_residues
        Residues of ligands: names, indices or Residue objects.
    residues
        Residues to include (indices or Residue objects); by default all but water and monatomic ions. Only whole
        molecules can be selected.
    atoms
        Atoms to include (indices or Atom objects), instead of or as well as ``residues``.
    positions
        Positions of all atoms (with or without units; only their handedness is used). They are needed only to
        recognize stereocentres of non-standard residues in a Topology without hydrogens.
    graph
        An empty MolecularGraph to fill; by default a new one is made.

    Returns
    -------
    MolecularGraph

    Raises
    ------
    ValueError
        One sentence naming the residue or atom at fault: bonds are missing, part of a molecule is selected, there is
        no heavy atom, the System or the model does not fit.
    """
    if system is not None and system.getNumParticles() != topology.getNumAtoms():
        raise ValueError(
            f"The Topology has {topology.getNumAtoms()} atoms, but the System has {system.getNumParticles()} particles."
        )
    all_atoms = list(topology.atoms())
    neighbors = _find_neighbors(topology)
    selected = _select(topology, neighbors, residues, atoms)
    heavy = [atom for atom in all_atoms if atom.index in selected and _atomic_number(atom) > 1]
    if not heavy:
        raise ValueError("There is no heavy atom to make a graph of: water and monatomic ions are left out.")
    _check_bonds(topology, neighbors, {atom.index for atom in heavy})
    moved = heavy
    if model is not None and model.movesHydrogens():
        moved = [atom for atom in all_atoms if atom.index in selected and _atomic_number(atom) > 0]

    if graph is None:
        from openmmjump import MolecularGraph

        graph = MolecularGraph()
    ligands = _find_ligands(topology, ligand_residues)
    index = _add_atoms(graph, moved, ligands, model)
    _add_bonds(graph, topology, index)
    for center in find_stereocenters(topology, [atom.index for atom in heavy], positions):
        graph.addStereocenter(*(index[i] for i in center))
    for four in find_stereo_bonds(topology, [atom.index for atom in heavy]):
        graph.addStereoBond(*(index[i] for i in four))
    _add_riding_atoms(graph, all_atoms, neighbors, index, system)
    return graph


# ---- Selection and checks ------------------------------------------------------------------------------------------


def _atomic_number(atom: Atom) -> int:
    """Atomic number; deuterium counts as hydrogen, an extra particle without element as 0."""
    return 0 if atom.element is None else atom.element.atomic_number


def _describe(residue: Residue) -> str:
    chain = f" of chain {residue.chain.id}" if residue.chain.id.strip() else ""
    return f"residue {residue.name} {residue.id}{chain}"


def _find_neighbors(topology: Topology) -> list[list[int]]:
    """Bonded atoms of each atom, each once, in ascending order."""
    neighbors: list[set[int]] = [set() for _ in range(topology.getNumAtoms())]
    for bond in topology.bonds():
        neighbors[bond[0].index].add(bond[1].index)
        neighbors[bond[1].index].add(bond[0].index)
    return [sorted(near) for near in neighbors]


def _find_substituents(topology: Topology) -> list[list[int]]:
    """As _find_neighbors(), without lone pairs and virtual sites, which are no substituents."""
    real = [atom.element is not None for atom in topology.atoms()]
    return [[j for j in near if real[j]] for near in _find_neighbors(topology)]


def _is_solvent(residue: Residue, neighbors: Sequence[Sequence[int]]) -> bool:
    """Whether a residue is water or a monatomic ion."""
    numbers = sorted(_atomic_number(atom) for atom in residue.atoms() if atom.element is not None)
    if numbers == [1, 1, 8]:
        return True
    if numbers == [8] and residue.name.strip().upper() in WATER_NAMES:
        return True
    return len(numbers) == 1 and not any(neighbors[atom.index] for atom in residue.atoms() if atom.element is not None)


def _index(item: Any) -> int:
    return item.index if hasattr(item, "index") else int(item)


def _select(
    topology: Topology,
    neighbors: Sequence[Sequence[int]],
    residues: Iterable[int | Residue] | None,
    atoms: Iterable[int | Atom] | None,
) -> set[int]:
    """Indices of the atoms that belong to the graph."""
    if residues is None and atoms is None:
        chosen = [residue for residue in topology.residues() if not _is_solvent(residue, neighbors)]
        return {atom.index for residue in chosen for atom in residue.atoms()}
    all_residues, all_atoms = list(topology.residues()), list(topology.atoms())
    selected: set[int] = set()
    for i in map(_index, residues or ()):
        if not 0 <= i < len(all_residues):
            raise ValueError(f"There is no residue {i}: the Topology has {len(all_residues)}.")
        selected.update(atom.index for atom in all_residues[i].atoms())
    for i in map(_index, atoms or ()):
        if not 0 <= i < len(all_atoms):
            raise ValueError(f"There is no atom {i}: the Topology has {len(all_atoms)}.")
        selected.add(i)
    _check_whole_molecules(all_atoms, neighbors, selected)
    return selected


def _check_whole_molecules(all_atoms: Sequence[Atom], neighbors: Sequence[Sequence[int]], selected: set[int]) -> None:
    for i in sorted(selected):
        if _atomic_number(all_atoms[i]) <= 1:
            continue
        for j in neighbors[i]:
            if j not in selected and _atomic_number(all_atoms[j]) > 1:
                raise ValueError(
                    f"Atom {all_atoms[i].name} of {_describe(all_atoms[i].residue)} is bonded to atom"
                    f" {all_atoms[j].name} of {_describe(all_atoms[j].residue)}, which is not selected: select whole"
                    f" molecules, as a jump would tear this bond apart."
                )


def _check_bonds(topology: Topology, neighbors: Sequence[Sequence[int]], heavy: set[int]) -> None:
    """Every real atom of a residue with several must have a bond."""
    advice = "add CONECT records to the PDB file, or topology.createStandardBonds() for standard residues"
    for residue in topology.residues():
        real = [atom for atom in residue.atoms() if atom.element is not None]
        if len(real) < 2 or not any(atom.index in heavy for atom in real):
            continue
        lonely = [atom for atom in real if not neighbors[atom.index]]
        if len(lonely) == len(real):
            raise ValueError(f"The {_describe(residue)} has {len(real)} atoms and no bonds: {advice}.")
        if lonely:
            raise ValueError(f"Atom {lonely[0].name} of {_describe(residue)} has no bonds: {advice}.")


def _find_ligands(topology: Topology, ligand_residues: Iterable[str | int | Residue]) -> set[int]:
    """Indices of the residues that are ligands."""
    if isinstance(ligand_residues, str):
        ligand_residues = (ligand_residues,)
    items = list(ligand_residues)
    names = {item.strip().upper() for item in items if isinstance(item, str)}
    indices = {_index(item) for item in items if not isinstance(item, str)}
    return indices | {residue.index for residue in topology.residues() if residue.name.strip().upper() in names}


# ---- Atoms, bonds, riding atoms ------------------------------------------------------------------------------------


def _add_atoms(graph: Any, moved: Sequence[Atom], ligands: set[int], model: Any) -> dict[int, int]:
    """Add the model atoms; return the model atom of each atom of the Topology."""
    index = {}
    for atom in moved:
        number, ligand = _atomic_number(atom), atom.residue.index in ligands
        block = block_type(atom.residue.name, number, ligand)
        if model is not None and not model.knowsAtom(number, block):
            raise ValueError(
                f"The model '{model.getName()}' was not trained for atom {atom.name} of {_describe(atom.residue)}"
                f" ({atom.element.symbol}, block type {block})."
            )
        index[atom.index] = graph.addAtom(atom.index, number, block, ligand)
    return index


def _bond_order(bond: Any) -> int:
    """1, 2, 3, or 0 where the Topology does not say (or the bond is aromatic)."""
    if bond.order in (1, 2, 3):
        return int(bond.order)
    return {"Single": 1, "Double": 2, "Triple": 3}.get(str(bond.type), 0)


def _add_bonds(graph: Any, topology: Topology, index: dict[int, int]) -> None:
    """Add the bonds between model atoms, sorted; a bond that the Topology has twice is added once."""
    orders: dict[tuple[int, int], int] = {}
    for bond in topology.bonds():
        first, second = sorted((bond[0].index, bond[1].index))
        if first != second and first in index and second in index:
            pair = index[first], index[second]
            orders[pair] = max(orders.get(pair, 0), _bond_order(bond))
    for (first, second), order in sorted(orders.items()):
        graph.addBond(first, second, order)


def _add_riding_atoms(
    graph: Any,
    all_atoms: Sequence[Atom],
    neighbors: Sequence[Sequence[int]],
    index: dict[int, int],
    system: System | None,
) -> None:
    """Hang every hydrogen, virtual site and extra particle of the graph's molecules on its heavy atom."""
    owners = _find_owners(system)
    for atom in all_atoms:
        if _atomic_number(atom) <= 1 and atom.index not in index:
            parent = _find_parent(atom, all_atoms, neighbors, index, owners)
            if parent is not None:
                graph.addRidingAtom(atom.index, index[parent])


def _find_owners(system: System | None) -> dict[int, list[int]]:
    """The particles that place a virtual site or hold a Drude particle."""
    import openmm

    owners: dict[int, list[int]] = {}
    if system is None:
        return owners
    for particle in range(system.getNumParticles()):
        if system.isVirtualSite(particle):
            site = system.getVirtualSite(particle)
            owners[particle] = [site.getParticle(i) for i in range(site.getNumParticles())]
    for force in system.getForces():
        if isinstance(force, openmm.DrudeForce):
            for i in range(force.getNumParticles()):
                drude, core = force.getParticleParameters(i)[:2]
                owners[drude] = [core]
    return owners


def _find_parent(
    atom: Atom,
    all_atoms: Sequence[Atom],
    neighbors: Sequence[Sequence[int]],
    index: dict[int, int],
    owners: dict[int, list[int]],
) -> int | None:
    """The nearest model atom along bonds and virtual sites, else the first of the residue, or None."""
    seen, queue = {atom.index}, deque([atom.index])
    while queue:
        i = queue.popleft()
        if i in index:
            return i
        if _atomic_number(all_atoms[i]) <= 1:
            near = [j for j in (*neighbors[i], *owners.get(i, ())) if j not in seen]
            seen.update(near)
            queue.extend(near)
    # Extra particles often come without bonds. A hydrogen that led nowhere is no part of the graph.
    if atom.element is None and not neighbors[atom.index] and atom.index not in owners:
        return next((other.index for other in atom.residue.atoms() if other.index in index), None)
    return None


# ---- Stereocentres -------------------------------------------------------------------------------------------------


def find_stereocenters(
    topology: Topology, atoms: Sequence[int] | None = None, positions: Any = None
) -> list[tuple[int, int, int, int]]:
    """Tetrahedral centres of a Topology whose handedness a jump must keep, as (center, a, b, c).

    A centre has four different substituents, or two that are alike in formula but joined to a ring or holding
    stereocentres of their own (1,4-cis and -trans rings, pseudoasymmetric centres). Substituents are compared by
    Morgan colours: the element and number of neighbours of each atom, refined by those of its neighbours until nothing
    changes. Three heavy neighbours are named, in an amino acid N, C and CB for CA.

    Without hydrogens in the Topology, carbons with three heavy neighbours are recognized by name in amino acids, and
    elsewhere by not being flat, if positions are given.

    Parameters
    ----------
    topology
        The Topology.
    atoms
        Indices of the heavy atoms to look at; by default all.
    positions
        Positions of all atoms.
    """
    all_atoms = list(topology.atoms())
    neighbors = _find_substituents(topology)
    heavy = {a.index for a in all_atoms if _atomic_number(a) > 1}
    wanted = sorted(heavy if atoms is None else heavy.intersection(atoms))
    colors = _find_colors(all_atoms, neighbors, wanted)

    found: dict[int, tuple[int, int, int, int]] = {}
    undecided: list[int] = []
    for i in wanted:
        near = neighbors[i]
        heavy_near = [j for j in near if j in heavy]
        if len(near) == 4 and len(heavy_near) >= 3 and _atomic_number(all_atoms[i]) in _TETRAHEDRAL_ELEMENTS:
            kinds = len({int(colors[j]) for j in near})
            if kinds == 4:
                found[i] = _name_center(all_atoms, i, heavy_near)
            elif kinds == 3:
                undecided.append(i)
    _add_named_centers(topology, neighbors, set(wanted), found)
    if positions is not None:
        _add_pyramidal_centers(all_atoms, neighbors, colors, wanted, positions, found)
    centers = set(found)
    for i in undecided:
        if _arms_matter(i, neighbors, colors, heavy, centers, set(undecided)):
            found[i] = _name_center(all_atoms, i, [j for j in neighbors[i] if j in heavy])
    return [found[i] for i in sorted(found)]


def _mix(values: np.ndarray) -> np.ndarray:
    """A 64-bit hash (the finalizer of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _find_colors(all_atoms: Sequence[Atom], neighbors: Sequence[Sequence[int]], wanted: Sequence[int]) -> np.ndarray:
    """Morgan colours: equal for atoms that the bonds alone do not tell apart.

    Only the molecules of the wanted atoms are refined, so water costs nothing.
    """
    colors = np.array([1000 * _atomic_number(atom) + len(neighbors[atom.index]) for atom in all_atoms], dtype=np.uint64)
    members = sorted(_find_connected(wanted, neighbors))
    source = np.array([i for i in members for _ in neighbors[i]], dtype=np.int64)
    target = np.array([j for i in members for j in neighbors[i]], dtype=np.int64)
    number = np.unique(colors[members]).size if members else 0
    for _ in range(_MAX_COLOR_ROUNDS):
        refined = _mix(colors + np.uint64(0x9E3779B97F4A7C15))
        np.add.at(refined, source, _mix(colors[target] * np.uint64(0xD1B54A32D192ED03)))
        colors = refined
        refined_number = np.unique(colors[members]).size if members else 0
        if refined_number == number:
            break
        number = refined_number
    return colors


def _find_connected(start: Iterable[int], neighbors: Sequence[Sequence[int]], without: int = -1) -> set[int]:
    """All atoms that bonds lead to, not passing through one atom."""
    seen = set(start)
    queue = deque(seen)
    while queue:
        for j in neighbors[queue.popleft()]:
            if j != without and j not in seen:
                seen.add(j)
                queue.append(j)
    return seen


def _arms_matter(
    center: int,
    neighbors: Sequence[Sequence[int]],
    colors: np.ndarray,
    heavy: set[int],
    centers: set[int],
    undecided: set[int],
) -> bool:
    """Whether two substituents of the same formula may differ in space.

    They do if they hold stereocentres of their own, or if they close a ring with another centre of this kind.
    """
    near = neighbors[center]
    first, second = next((a, b) for a in near for b in near if a < b and colors[a] == colors[b])
    if first not in heavy:
        return False
    arm = _find_connected([first], neighbors, without=center)
    return bool(arm & centers) or (second in arm and bool(arm & undecided))


def _name_center(all_atoms: Sequence[Atom], center: int, heavy_near: Sequence[int]) -> tuple[int, int, int, int]:
    """The centre and three heavy neighbours, in an amino acid always N, C, CB."""
    by_name = {all_atoms[j].name: j for j in heavy_near}
    if all_atoms[center].name == "CA" and {"N", "C", "CB"} <= by_name.keys():
        return center, by_name["N"], by_name["C"], by_name["CB"]
    return center, heavy_near[0], heavy_near[1], heavy_near[2]


def _add_named_centers(
    topology: Topology,
    neighbors: Sequence[Sequence[int]],
    wanted: set[int],
    found: dict[int, tuple[int, int, int, int]],
) -> None:
    """Stereocentres of amino acids in a Topology without hydrogens."""
    for residue in topology.residues():
        standard = standard_residue(residue.name)
        if standard is None:
            continue
        by_name = {atom.name: atom.index for atom in residue.atoms()}
        for name, quadruple in _NAMED_STEREOCENTERS:
            if name not in (None, standard) or not by_name.keys() >= set(quadruple):
                continue
            center, *others = (by_name[atom] for atom in quadruple)
            if center in wanted and center not in found and set(others) <= set(neighbors[center]):
                found[center] = (center, *others)


def _add_pyramidal_centers(
    all_atoms: Sequence[Atom],
    neighbors: Sequence[Sequence[int]],
    colors: np.ndarray,
    wanted: Sequence[int],
    positions: Any,
    found: dict[int, tuple[int, int, int, int]],
) -> None:
    """Carbons with three different heavy neighbours and no hydrogen, where the positions are not flat."""
    unit = getattr(positions, "unit", None)
    coordinates = np.array(positions if unit is None else positions.value_in_unit(unit), dtype=float)
    for i in wanted:
        near = neighbors[i]
        if i in found or len(near) != 3 or _atomic_number(all_atoms[i]) != 6 or len({int(colors[j]) for j in near}) < 3:
            continue
        if any(_atomic_number(all_atoms[j]) == 1 for j in near):
            continue
        a, b, c = (coordinates[j] - coordinates[i] for j in near)
        lengths = np.linalg.norm(a) * np.linalg.norm(b) * np.linalg.norm(c)
        # 0.77 for a perfect tetrahedron, 0 for a plane.
        if lengths > 0 and abs(np.dot(a, np.cross(b, c))) > 0.4 * lengths:
            found[i] = _name_center(all_atoms, i, near)


# ---- Stereo bonds --------------------------------------------------------------------------------------------------


def find_stereo_bonds(topology: Topology, atoms: Sequence[int] | None = None) -> list[tuple[int, int, int, int]]:
    """Bonds of a Topology that a jump may not turn from cis to trans or back, as the atoms (a, b, c, d) of a torsion.

    These are amide bonds, C(=O)-N, whose nitrogen has another heavy neighbour (peptide bonds, that before proline as
    well, caps, carbamates, ureas), and double bonds C=C, C=N and N=N, each of whose ends has a heavy substituent and
    not two that are alike. Bonds in rings of fewer than eight atoms cannot turn and are left out. Amides are recognized
    by elements and neighbours, so neither bond orders nor hydrogens are needed; double bonds only by their order.

    The torsion of a peptide bond is omega, CA-C-N-CA; elsewhere the substituent that comes first in the Topology is
    taken, but the oxygen of an amide only where there is no other. Bonds are sorted by their atoms.

    Parameters
    ----------
    topology
        The Topology.
    atoms
        Indices of the heavy atoms to look at; by default all.
    """
    bonds = _StereoBonds(topology, atoms)
    found: dict[tuple[int, int], tuple[int, int, int, int]] = {}
    for first in bonds.wanted:
        for second in bonds.neighbors[first]:
            if first < second and second in bonds.heavy:
                four = bonds.find_amide(first, second) or bonds.find_double(first, second)
                if four and not bonds.in_small_ring(first, second):
                    found[first, second] = four
    return [found[pair] for pair in sorted(found)]


class _StereoBonds:
    """What decides whether a bond of a Topology is a stereo bond."""

    def __init__(self, topology: Topology, wanted: Sequence[int] | None = None) -> None:
        self.atoms = list(topology.atoms())
        self.neighbors = _find_substituents(topology)
        self.numbers = [_atomic_number(atom) for atom in self.atoms]
        self.heavy = {i for i, number in enumerate(self.numbers) if number > 1}
        self.wanted = sorted(self.heavy if wanted is None else self.heavy.intersection(wanted))
        self.orders: dict[tuple[int, int], int] = {}
        for bond in topology.bonds():
            pair = bond[0].index, bond[1].index
            for i, j in (pair, pair[::-1]):
                self.orders[i, j] = max(self.orders.get((i, j), 0), _bond_order(bond))
        self._colors: np.ndarray | None = None

    def alike(self, i: int, j: int) -> bool:
        """Whether the bonds alone do not tell two atoms apart."""
        if self._colors is None:  # most molecules are done without
            self._colors = _find_colors(self.atoms, self.neighbors, self.wanted)
        return bool(self._colors[i] == self._colors[j])

    def in_small_ring(self, first: int, second: int) -> bool:
        """Whether a bond closes a ring of fewer than eight atoms."""
        seen, shell = {first}, {j for j in self.neighbors[first] if j != second}
        for _ in range(_MIN_STEREO_RING - 2):  # the shell is 1, 2, ... 6 bonds away: rings of 2, 3, ... 7 atoms
            if second in shell:
                return True
            seen |= shell
            shell = {j for i in shell for j in self.neighbors[i]} - seen
        return False

    def find_amide(self, first: int, second: int) -> tuple[int, int, int, int] | None:
        """The torsion of an amide bond, from the side of the carbon."""
        carbon, nitrogen = (first, second) if self.numbers[first] == 6 else (second, first)
        if (self.numbers[carbon], self.numbers[nitrogen]) != (6, 7):
            return None
        oxygens = [j for j in self.neighbors[carbon] if self._is_carbonyl_oxygen(carbon, j)]
        if len(self.neighbors[carbon]) != 3 or not oxygens or len(self.neighbors[nitrogen]) > 3:
            return None
        before = self._substituents(carbon, nitrogen)
        after = self._substituents(nitrogen, carbon)
        if not after:
            return None  # a primary amide
        others = [j for j in before if j not in oxygens]
        return self._choose(others or before), carbon, nitrogen, self._choose(after)

    def find_double(self, first: int, second: int) -> tuple[int, int, int, int] | None:
        """The torsion of a double bond."""
        if self.orders[first, second] != 2 or not {self.numbers[first], self.numbers[second]} <= {6, 7}:
            return None
        ends = []
        for end, other in ((first, second), (second, first)):
            near = self._substituents(end, other)
            if any(self.orders[end, j] > 1 for j in near):
                return None  # an allene or the like: linear
            if len(near) not in (1, 2) or (len(near) == 2 and self.alike(*near)):
                return None
            ends.append(self._choose(near))
        return ends[0], first, second, ends[1]

    def _is_carbonyl_oxygen(self, carbon: int, atom: int) -> bool:
        """Whether an atom is an oxygen with no other neighbour, by a bond that is not known to be single."""
        return self.numbers[atom] == 8 and len(self.neighbors[atom]) == 1 and self.orders[carbon, atom] != 1

    def _substituents(self, atom: int, other: int) -> list[int]:
        """Heavy neighbours of one end of a bond."""
        return [j for j in self.neighbors[atom] if j != other and j in self.heavy]

    def _choose(self, candidates: Sequence[int]) -> int:
        """CA if there is one, else the first."""
        return next((j for j in candidates if self.atoms[j].name == "CA"), candidates[0])
