"""Training of transfer operators from trajectories: ``openmm-jump train CONFIG.yaml``.

:func:`openmmjump.training.config.load` reads a configuration, :class:`openmmjump.training.trainer.Trainer` runs it.
"""
