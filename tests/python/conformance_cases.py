"""Losses of the stages of a family on pairs of frames in tests/data, for the tests of conformance."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import mdtraj
import numpy as np
import torch
from openmmjump.families.base import Family
from openmmjump.network import NetworkModule
from openmmjump.training.config_schema import build
from openmmjump.training.frames import PreparedSystem
from openmmjump.training.molecule import molecule_of
from openmmjump.training.pairs import PairSet

#: Settings of stages without terms whose gradient is stopped on purpose, so that it is not that of finite differences.
WHOLE = {"guidance": {"loss": {"interior": 0.0}}}
DATA = Path(__file__).parent.parent / "data"


def make_pairs(entry: object) -> PairSet:
    """Pairs of frames of alanine dipeptide's heavy atoms with forces and energies that mean nothing."""
    frames = mdtraj.load(str(DATA / "alanine-dipeptide-md-1.xtc"), top=str(DATA / "alanine-dipeptide-heavy.pdb"))[:20]
    x = 10 * (frames.xyz - frames.xyz.mean(1, keepdims=True))
    molecule = molecule_of(frames.topology, np.arange(frames.n_atoms))
    random = np.random.default_rng(1)
    system = PreparedSystem("pairs", molecule, x, np.array([0, len(x)]), 10.0, [], "")
    system.centroids, system.residues = np.zeros((len(x), 3)), 1
    system.forces, system.energies = random.normal(size=x.shape).astype(np.float32), random.normal(size=len(x))
    return PairSet(system, np.arange(len(x) - 2), 2, None, 1.0, np.arange(frames.n_atoms), entry=entry)


def losses(family: Family) -> Iterator[tuple[str, Callable[[], torch.Tensor], NetworkModule]]:
    """For each kind of stage of a family its name, its loss on one batch, and its network in double precision."""
    for stage_class in family.stages():
        for kind in get_args(get_type_hints(stage_class)["kind"]):
            entry = build(family.data(), {"topology": "x", **extra(family)})
            settings = {"kind": kind, "iterations": 1, "batch": {"molecules": 3}}
            stage = build(stage_class, settings | WHOLE.get(kind, {}))
            stage = stage.with_defaults(Run())
            network = family.network.initialize({**family.native.small_settings, **whole(family)}, seed=2).double()
            sets, random = [make_pairs(entry)], np.random.default_rng(3)
            items = stage.draw(sets, random)
            times = stage.draw_times(len(items.sets), random)
            objective = stage.objective(network)
            example = stage.collator(sets, torch.device("cpu"), torch.float64).example(items, times, random)
            yield kind, lambda o=objective, e=example: o(e)["loss"], network


class Run:
    """What a stage's defaults may depend on."""

    temperature_K, lag_time_ps = 300.0, 20.0


def extra(family: Family) -> dict:
    """Settings of an entry of the data that the family has beside those of all."""
    known = {field.name for field in dataclasses.fields(family.data())}
    return {"energy_head": 0} if "energy_head" in known else {}


def whole(family: Family) -> dict:
    """Settings with which the network has all its parts: every switch on."""
    return {row.key: True for row in family.native.settings if row.kind == "bool"}
