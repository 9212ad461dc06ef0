"""Energies of conformations: label tables, and what makes and reads them.

    from openmmjump import annotation

    request = annotation.Request(("md/*.pdb",), "labels.parquet", settings=annotation.Settings(mode="tight"))
    print(annotation.run(request))
    table = annotation.read_labels("labels.parquet").to_pandas()

See docs/annotation.md.
"""

try:
    from .runner import Overview, Summary, look, run
    from .schema import PROVENANCE_KEY, SCHEMA
    from .settings import AnnotationError, Request, Settings
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
    "Overview",
    "Request",
    "Settings",
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
