"""The columns of a label table: what `openmm-jump annotate` and `AnnotationReporter` write, and alignment reads.

One row is one conformation. Energies are in kJ/mol, lengths in nm, forces in kJ/mol/nm, times in s. What is not known
is null: a conformation that could not be labelled has an `error` and no energies.
"""

from __future__ import annotations

import pyarrow as pa

#: Columns of a label table, in order.
SCHEMA = pa.schema(
    [
        pa.field("molecule", pa.string(), nullable=False),  # conformations of one molecule can be compared
        pa.field("name", pa.string(), nullable=False),  # of the conformation, unique in the table
        pa.field("source", pa.string()),  # file it was read from, relative to the table where possible
        pa.field("frame", pa.int64()),  # its place in the file, from 0
        pa.field("residues", pa.int32()),
        pa.field("initial_energy_kJ_mol", pa.float64()),  # as given, with hydrogens added; of a jump: the raw proposal
        pa.field("repaired_energy_kJ_mol", pa.float64()),  # jumps only: after repair
        pa.field("final_energy_kJ_mol", pa.float64()),  # after minimisation; of a jump: after relaxation
        pa.field("initial_group_energies_kJ_mol", pa.map_(pa.string(), pa.float64())),  # by the Force's name
        pa.field("final_group_energies_kJ_mol", pa.map_(pa.string(), pa.float64())),
        pa.field("displacement_nm", pa.float64()),  # all atoms, no superposition
        pa.field("heavy_atom_displacement_nm", pa.float64()),  # heavy atoms, superposed
        pa.field("rms_force_kJ_mol_nm", pa.float64()),
        pa.field("iterations", pa.int32()),
        pa.field("evaluations", pa.int32()),  # of the forces
        pa.field("outcome", pa.string()),  # converged, iteration limit, time limit, stalled; of a jump: see accepted
        pa.field("accepted", pa.bool_()),  # jumps only: whether the step was a jump or molecular dynamics only
        pa.field("seconds", pa.float64()),
        pa.field("error", pa.string()),
    ]
)

#: Key of the JSON in the table's metadata that says how it was made.
PROVENANCE_KEY = "openmmjump"
