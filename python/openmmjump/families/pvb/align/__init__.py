"""Energy-based alignment: stages that make a trained model follow the energies of conformations."""
