"""Training of transfer operators from trajectories: ``openmm-jump train CONFIG.yaml``."""

from .config import Config, load
from .schema import ConfigError

__all__ = ["Config", "ConfigError", "load"]
