"""Energies of conformations: label tables, and what makes and reads them.

    from openmm import unit
    from openmmjump import annotation

    settings = annotation.LabelSettings(salt=0.1 * unit.molar)
    request = annotation.Request(("md/*.pdb",), "labels.parquet", settings=settings)
    print(annotation.run(request))
    table = annotation.read_labels("labels.parquet").to_pandas()

See docs/annotation.md.
"""

try:
    from .runner import Overview, Summary, look, run
    from .schema import PROVENANCE_KEY, SCHEMA
    from .settings import AnnotationError, LabelSettings, Request
    from .tables import make_table, provenance_of, read_labels, write_labels
    from .weights import boltzmann_weights, pairwise_preferences
except ModuleNotFoundError as error:
    if error.name not in ("pyarrow", "pdbfixer", "distributed"):
        raise
    raise ModuleNotFoundError(
        f'annotation needs {error.name}: pip install "openmm-jump[annotate]"', name=error.name
    ) from error

__all__ = [
    "PROVENANCE_KEY",
    "SCHEMA",
    "AnnotationError",
    "LabelSettings",
    "Overview",
    "Request",
    "Summary",
    "boltzmann_weights",
    "look",
    "make_table",
    "pairwise_preferences",
    "provenance_of",
    "read_labels",
    "run",
    "write_labels",
]
