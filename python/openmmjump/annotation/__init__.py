"""Energies of conformations: label tables, and what makes and reads them."""
