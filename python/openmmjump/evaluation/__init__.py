"""Is a jump trajectory what molecular dynamics would have made?  Functions on plain arrays, with error bars.

| module | answers |
|---|---|
| `torsions` | phi and psi of a trajectory |
| `histograms` | Ramachandran histograms, Jensen-Shannon divergence, free energy surfaces |
| `basins` | which basin a conformation is in, and free energies of basins |
| `correlation` | autocorrelation, statistical inefficiency, effective samples |
| `kinetics` | probabilities of entering and leaving a state in a given time |
| `geometry` | are bonds, angles and chirality those of MD, is there a clash |
| `equivariance` | does a rotated and translated start give the rotated and translated trajectory |
| `reference` | the MD reference shipped with a model |
| `compare` | all figures of a trajectory against the reference |
| `report` | the figures as a Markdown table |
| `plots` | the picture |

Angles are in degrees, lengths in nm, energies in kJ/mol or, where the name says so, in kT; times are in ps or ns as
their names say. Series are arrays `[frames]` or `[replicas, frames]`; replicas are never joined end to end.
"""

from .basins import BASINS, assign_basins, basin_free_energies, positive_phi
from .correlation import autocorrelation, effective_samples, statistical_inefficiency
from .estimates import Estimate, block_mean
from .histograms import free_energy_surface, jensen_shannon, ramachandran_histogram
from .kinetics import crossing_probabilities, per_nanosecond
from .torsions import dihedral, phi_psi

__all__ = [
    "BASINS",
    "Estimate",
    "assign_basins",
    "autocorrelation",
    "basin_free_energies",
    "block_mean",
    "crossing_probabilities",
    "dihedral",
    "effective_samples",
    "free_energy_surface",
    "jensen_shannon",
    "per_nanosecond",
    "phi_psi",
    "positive_phi",
    "ramachandran_histogram",
    "statistical_inefficiency",
]
