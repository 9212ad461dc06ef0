"""Statistics with known answers: Markov chains, Gaussian processes, distributions and geometries made on purpose."""

from __future__ import annotations

import json

import numpy as np
import pytest
from openmm import app
from openmmjump.evaluation import basins, correlation, equivariance, geometry, histograms, kinetics, reference, torsions
from openmmjump.evaluation.compare import Series, compare_decorrelation, compare_populations, compare_rates, noise_floor
from openmmjump.evaluation.estimates import Estimate, block_mean, blocks_of, propagate


def markov_chain(enter: float, leave: float, frames: int, replicas: int = 1, seed: int = 0) -> np.ndarray:
    """A two-state chain `[replicas, frames]` that starts in its stationary distribution."""
    random = np.random.default_rng(seed)
    state = random.random(replicas) < enter / (enter + leave)
    series = np.empty((replicas, frames), bool)
    for t in range(frames):
        series[:, t] = state
        state = np.where(state, random.random(replicas) >= leave, random.random(replicas) < enter)
    return series


def autoregressive(a: float, frames: int, replicas: int = 1, seed: int = 0) -> np.ndarray:
    """x' = a x + sqrt(1 - a²) noise, `[replicas, frames]`: its autocorrelation is a^t."""
    noise = np.random.default_rng(seed).standard_normal((replicas, frames))
    x = np.empty_like(noise)
    x[:, 0] = noise[:, 0]
    for t in range(1, frames):
        x[:, t] = a * x[:, t - 1] + np.sqrt(1 - a * a) * noise[:, t]
    return x


# ----------------------------------------------------------------------------------------------------------- estimates


def test_block_error_of_correlated_data_is_that_of_theory():
    a = 0.9
    x = autoregressive(a, 20_000, replicas=4)
    expected = np.sqrt((1 + a) / (1 - a) / x.size)
    estimate = block_mean(x, blocks=40)
    assert estimate.error == pytest.approx(expected, rel=0.4)
    assert abs(estimate.value) < 4 * expected


def test_blocks_never_span_replicas():
    series = np.repeat(np.arange(3)[:, None], 10, axis=1)
    pieces = list(blocks_of(series, 6))
    assert len(pieces) == 6
    assert all(len(set(piece)) == 1 for piece in pieces)


def test_estimates_combine_as_independent_errors_do():
    ratio = Estimate(3.0, 0.3) / Estimate(2.0, 0.1)
    assert ratio.value == pytest.approx(1.5)
    assert ratio.error == pytest.approx(1.5 * np.hypot(0.1, 0.05))
    difference = Estimate(3.0, 0.3) - Estimate(2.0, 0.4)
    assert (difference.value, difference.error) == pytest.approx((1.0, 0.5))
    (product,) = propagate(lambda v: np.array([v[0] * v[1]]), [Estimate(3.0, 0.3), Estimate(2.0, 0.1)])
    assert product.error == pytest.approx(np.hypot(0.6, 0.3), rel=1e-6)


# ---------------------------------------------------------------------------------------------------------- histograms


def test_divergence_is_zero_for_equal_and_one_for_disjoint_histograms():
    p = np.array([1.0, 3.0, 0.0, 0.0])
    assert histograms.jensen_shannon(p, 7 * p) == 0
    assert histograms.jensen_shannon(p, p[::-1]) == pytest.approx(1)


def test_divergence_of_a_coin_by_hand():
    # H(0.75) - (H(0.5) + H(1)) / 2 in bits
    expected = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25)) - 0.5
    assert histograms.jensen_shannon([0.5, 0.5], [1, 0]) == pytest.approx(expected)


def test_divergence_needs_equal_shapes():
    with pytest.raises(ValueError, match="3 and 4 bins"):
        histograms.jensen_shannon(np.ones(3), np.ones(4))


def test_histogram_puts_angles_where_they_belong():
    h = histograms.ramachandran_histogram([-180.0, 179.9, 180.0], [-180.0, -175.0, 0.0])
    assert h[0, 0] == h[35, 0] == h[0, 18] == pytest.approx(1 / 3)
    assert h.sum() == pytest.approx(1)


def test_free_energy_surface_of_two_bins():
    surface = histograms.free_energy_surface([0.8, 0.2, 0.0])
    assert surface[:2] == pytest.approx([0, np.log(4)])
    assert np.isinf(surface[2])


def test_sampling_noise_of_the_divergence_follows_the_number_of_samples():
    """E[JSD] = (k-1)/(8 ln 2) (1/n + 1/m): what the noise floor rests on."""
    random = np.random.default_rng(1)
    k, n, m = 100, 20_000, 40_000
    p = random.dirichlet(np.full(k, 20.0))
    found = [histograms.jensen_shannon(random.multinomial(n, p), random.multinomial(m, p)) for _ in range(100)]
    assert np.mean(found) == pytest.approx((k - 1) / (8 * np.log(2)) * (1 / n + 1 / m), rel=0.05)


def test_design_effect_of_independent_and_of_repeated_frames():
    random = np.random.default_rng(2)
    phi, psi = random.uniform(-180, 180, (2, 20_000))
    assert histograms.design_effect(phi, psi, bins=12) == pytest.approx(1, abs=0.02)
    assert histograms.design_effect(np.repeat(phi, 5), np.repeat(psi, 5), bins=12) == pytest.approx(5, rel=0.05)


# -------------------------------------------------------------------------------------------------------------- basins


def test_basins_cover_the_plane():
    """A strand just past phi = 180 is beta, not phi > 0."""
    phi = np.array([-70, -70, 60, -150, -60, 179])
    psi = np.array([150, -40, 40, -170, 59, 170])
    names = [basins.BASINS[i] for i in basins.assign_basins(phi, psi)]
    assert names == ["beta_ppii", "alpha_r", "alpha_l", "beta_ppii", "alpha_r", "beta_ppii"]
    assert basins.positive_phi(phi).tolist() == [name == "alpha_l" for name in names]


def test_free_energies_of_known_populations_within_their_errors():
    random = np.random.default_rng(3)
    p = {"beta_ppii": 0.6, "alpha_r": 0.35, "alpha_l": 0.05}
    basin = random.choice(3, 10_000, p=list(p.values()))
    phi, psi = np.array([-70, -70, 60])[basin], np.array([150, -40, 40])[basin]
    found = basins.basin_free_energies(phi, psi)
    for name, population in p.items():
        assert abs(found[name].value + np.log(population)) < 4 * found[name].error
        assert found[name].error == pytest.approx(np.sqrt((1 - population) / population / 10_000), rel=0.6)


# --------------------------------------------------------------------------------------------------------- correlation


@pytest.mark.parametrize("a", [0.0, 0.5, 0.9])
def test_statistical_inefficiency_of_an_autoregressive_process(a):
    x = autoregressive(a, 50_000, replicas=2, seed=4)
    assert correlation.statistical_inefficiency(x) == pytest.approx((1 + a) / (1 - a), rel=0.12)
    assert correlation.autocorrelation(x, 3) == pytest.approx(a ** np.arange(4), abs=0.03)


def test_a_constant_series_is_one_sample():
    assert correlation.effective_samples(np.ones(100)) == pytest.approx(1)


def test_replicas_that_never_meet_count_as_slow_motion():
    x = np.array([[0.0, 1.0], [10.0, 11.0]]).repeat(500, axis=1) + autoregressive(0.0, 1000, 2, seed=5)
    assert correlation.autocorrelation(x, 5)[5] > 0.9


def test_band_holds_the_true_autocorrelation():
    a = 0.8
    x = autoregressive(a, 40_000, seed=6)[0]
    curve, error = correlation.autocorrelation_band(x, 10, blocks=20)
    assert np.all(np.abs(curve - a ** np.arange(11)) < 5 * error + 1e-12)
    assert 0 < error[5] < 0.05


# ------------------------------------------------------------------------------------------------------------ kinetics


def test_counts_by_hand():
    counts = kinetics.transition_counts([0, 0, 1, 1, 0])
    assert counts.tolist() == [[1, 1], [1, 1]]
    assert kinetics.transition_counts([[0, 1, 1], [0, 0, 1]], lag=2).tolist() == [[0, 2], [0, 0]]
    with pytest.raises(ValueError, match="lag"):
        kinetics.transition_counts([0, 1], lag=2)


def test_crossing_probabilities_and_their_errors_of_a_markov_chain():
    enter, leave, frames = 0.03, 0.5, 6000
    found = [kinetics.crossing_probabilities(markov_chain(enter, leave, frames, seed=s)) for s in range(30)]
    for i, p in enumerate((enter, leave)):
        values = np.array([estimate[i].value for estimate in found])
        errors = np.array([estimate[i].error for estimate in found])
        assert values.mean() == pytest.approx(p, abs=4 * errors.mean() / np.sqrt(30))
        assert errors.mean() == pytest.approx(values.std(), rel=0.4)


def test_nothing_crossed_still_has_an_error():
    enter, leave = kinetics.crossing_probabilities(np.zeros(100, bool))
    assert enter.value == 0
    assert 0 < enter.error < 0.05
    assert np.isnan(leave.value)


def test_probability_per_nanosecond_is_the_same_from_any_lag():
    enter, leave = 0.002, 0.03  # per 50 ps
    total = enter + leave
    expected = np.array([enter, leave]) / total * (1 - (1 - total) ** 20)
    chain = markov_chain(enter, leave, 50_000, replicas=20, seed=7)
    for lag in (1, 5, 20):
        found = kinetics.per_nanosecond(*kinetics.crossing_probabilities(chain, lag), time_ns=0.05 * lag)
        for estimate, p in zip(found, expected, strict=True):
            assert abs(estimate.value - p) < 4 * estimate.error
            assert estimate.error < 0.1 * p


def test_probability_over_a_longer_time_is_brought_back():
    two = kinetics.rescale(np.array([0.03, 0.5]), 2.0)
    assert kinetics.rescale(two, 0.5) == pytest.approx([0.03, 0.5])


# ------------------------------------------------------------------------------------------------------------ geometry


@pytest.fixture(scope="module")
def molecule():
    """Topology and frames of alanine dipeptide with thermal noise of 0.003 nm, `[200, 22, 3]` in nm."""
    from openmmjump import data

    pdb = app.PDBFile(data.path("alanine-dipeptide.pdb"))
    x = np.array(pdb.positions.value_in_unit(pdb.positions.unit))
    return pdb.topology, x + np.random.default_rng(8).normal(0, 0.003, (200, *x.shape))


@pytest.fixture(scope="module")
def standard(molecule):
    return geometry.GeometryStandard.from_trajectory(*molecule)


def only(standard, x):
    """Names of the faults of one conformation."""
    return {name for name, found in standard.faults(x[None]).items() if found[0]}


def test_the_standard_knows_every_bond_and_angle(standard):
    assert len(standard.bonds) == 21
    assert len(standard.angles) == 36  # three methyls 6, CA 6, four planar centres with three neighbours: 3
    assert standard.stereocentres.tolist() == [[8, 6, 14, 10]]


def test_sound_conformations_are_valid(molecule, standard):
    assert standard.valid(molecule[1]).all()


def test_a_stretched_bond_is_a_fault(molecule, standard):
    x = molecule[1].mean(0)
    oxygen, carbon = 15, 14
    direction = x[oxygen] - x[carbon]
    x[oxygen] += 0.03 * direction / np.linalg.norm(direction)
    assert only(standard, x) == {"bond"}


def test_a_bent_angle_is_a_fault(molecule, standard):
    x = molecule[1].mean(0)
    hydrogen, nitrogen, carbon = 7, 6, 4
    bond, other = x[hydrogen] - x[nitrogen], x[carbon] - x[nitrogen]
    normal = np.cross(bond, other) / np.linalg.norm(np.cross(bond, other))
    turn = np.radians(-40)
    x[hydrogen] = x[nitrogen] + np.cos(turn) * bond + np.sin(turn) * np.cross(normal, bond)
    assert only(standard, x) == {"angle"}


def test_the_mirror_image_is_a_fault_of_chirality(molecule, standard):
    assert only(standard, molecule[1].mean(0) * [1, 1, -1]) == {"chirality"}


def test_two_atoms_in_one_place_clash(molecule, standard):
    x = molecule[1].mean(0)
    methyl = [18, 19, 20, 21]
    x[methyl] += x[0] - x[18] + 0.02
    assert "clash" in only(standard, x)
    assert only(standard, np.full_like(x, np.nan)) == {"not_finite"}


def test_constrained_bonds_keep_a_tolerance(molecule):
    topology, frames = molecule
    rigid = np.repeat(frames.mean(0)[None], 5, axis=0)
    standard = geometry.GeometryStandard.from_trajectory(topology, rigid)
    assert standard.valid(rigid + 1e-5 * np.random.default_rng(9).normal(size=rigid.shape)).all()


def test_better_statistics_replace_those_of_a_short_run(standard):
    changed = standard.with_statistics([(6, 4)], [(0.2, 0.01)], [(14, 8, 6)], [(100.0, 1.0)])
    bond = next(i for i, pair in enumerate(standard.bonds) if set(pair) == {4, 6})
    angle = next(i for i, three in enumerate(standard.angles) if set(three) == {6, 8, 14})
    assert (changed.bond_mean[bond], changed.bond_sigma[bond]) == (0.2, 0.01)
    assert (changed.angle_mean[angle], changed.angle_sigma[angle]) == (100.0, 1.0)
    assert (changed.bond_mean != standard.bond_mean).sum() == 1
    with pytest.raises(KeyError):
        standard.with_statistics([(0, 21)], [(0.2, 0.01)], [], [])


# ------------------------------------------------------------------------------------------------------------ torsions


def test_dihedral_has_the_sign_of_iupac():
    turn = np.radians(60)
    x = np.array([[1, 0, 0], [0, 0, 0], [0, 0, 1], [np.cos(turn), np.sin(turn), 1.0]])
    assert torsions.dihedral(x, (0, 1, 2, 3)) == pytest.approx(60)
    assert torsions.dihedral(x * [1, -1, 1], (0, 1, 2, 3)) == pytest.approx(-60)


def test_phi_and_psi_of_both_kinds_of_topology(molecule):
    import mdtraj

    topology, frames = molecule
    trajectory = mdtraj.Trajectory(frames, mdtraj.Topology.from_openmm(topology))
    for mine, theirs in zip(torsions.phi_psi(frames, topology), (mdtraj.compute_phi, mdtraj.compute_psi), strict=True):
        assert mine == pytest.approx(np.degrees(theirs(trajectory)[1][:, 0]), abs=1e-3)
    assert torsions.backbone_torsions(trajectory.topology) == torsions.backbone_torsions(topology)


def test_a_topology_without_backbone_is_refused():
    with pytest.raises(ValueError, match="both phi and psi"):
        torsions.phi_psi(np.zeros((1, 3)), app.Topology())


# -------------------------------------------------------------------------------------------------------- equivariance


def test_an_equivariant_jump_has_no_deviation_and_another_has():
    def jump(x, noise):
        distance = np.linalg.norm(x - x.mean(0), axis=-1, keepdims=True)
        return x + np.cos(distance) * noise[0] + noise[1:].sum(0)

    def skewed(x, noise):
        return jump(x, noise) * [1, 1, 1.01]

    x = np.random.default_rng(10).normal(size=(10, 3))
    assert equivariance.equivariance_error(jump, x, draws=4) < 1e-12
    assert equivariance.equivariance_error(skewed, x, draws=4) > 1e-3


# ------------------------------------------------------------------------------------------------ reference and figures


def integrated(correlation_time, lags):
    return reference.integrated_time(lags, np.exp(-lags / correlation_time))


def test_integral_of_an_exponential_autocorrelation():
    lags = np.array([1, 2, 5, 10, 30, 100, 300, 1000, 2000], float)
    assert integrated(700.0, lags) == pytest.approx(700, rel=1e-6)
    assert integrated(1e-3, lags) == pytest.approx(0, abs=0.2)
    noisy = np.where(lags > 500, -0.01, np.exp(-lags / 50))
    assert reference.integrated_time(lags, noisy) == pytest.approx(50, rel=0.02)


@pytest.fixture(scope="module")
def md():
    """A made-up reference: a chain over three places of the plane, one frame per nanosecond, and its own statistics."""
    phi, psi = plane(markov_chain(0.03, 0.5, 20_000, replicas=8, seed=11), seed=12)
    inside = basins.positive_phi(phi)
    enter, leave = kinetics.crossing_probabilities(inside)
    halves = [np.histogram2d(phi[h].ravel(), psi[h].ravel(), 36, [[-180, 180]] * 2)[0] for h in (slice(4), slice(4, 8))]
    tau = -1000 / np.log(1 - 0.53)
    lags = np.array([10.0, 100, 300, 1000, 2000, 5000])
    basin = basins.assign_basins(phi, psi)
    return reference.Reference(
        about={"nanoseconds used": phi.size},
        histogram=halves[0] + halves[1],
        halves=(halves[0], halves[1]),
        populations={name: block_mean((basin == i).astype(float)) for i, name in enumerate(basins.BASINS)},
        energy=Estimate(-76.0, 0.1),
        energy_std=12.8,
        enter=enter,
        leave=leave,
        lags_ps=lags,
        correlation=np.exp(-lags / tau),
        heavy_bonds=np.empty((0, 2), int),
        heavy_bond_statistics=np.empty((0, 2)),
        heavy_angles=np.empty((0, 3), int),
        heavy_angle_statistics=np.empty((0, 2)),
    )


def plane(right: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Angles of a chain that says whether phi is positive; left of it beta and alpha-R in equal parts."""
    random = np.random.default_rng(seed)
    helix = random.random(right.shape) < 0.5
    phi = np.where(right, 60, -75) + random.normal(0, 15, right.shape)
    psi = np.where(right, 40, np.where(helix, -40, 140)) + random.normal(0, 15, right.shape)
    return (phi + 180) % 360 - 180, (psi + 180) % 360 - 180


def test_a_perfect_sampler_passes(md):
    phi, psi = plane(markov_chain(0.03, 0.5, 6000, seed=13)[0], seed=14)
    series = Series(phi, psi, 1000.0)
    figures = compare_populations(series, md) | compare_rates(series, md)
    assert figures["jsd_ratio"] == pytest.approx(1, abs=0.25)
    assert figures["jsd_effective_samples"] == pytest.approx(6000, rel=0.1)
    for entry in figures["delta_f_kT"].values():
        assert abs(entry["value"]) < 4 * entry["error"]
    for entry in figures["rate_ratio"].values():
        assert abs(entry["value"] - 1) < 4 * entry["error"]
    json.dumps(figures)


def test_a_sampler_that_is_too_fast_or_off_is_found_out(md):
    phi, psi = plane(markov_chain(0.12, 0.5, 6000, seed=15)[0], seed=16)
    figures = compare_populations(Series(phi + 5, psi, 1000.0), md) | compare_rates(Series(phi, psi, 1000.0), md)
    assert figures["jsd_ratio"] > 2
    assert figures["delta_f_kT"]["alpha_l"]["value"] < -0.8
    assert figures["rate_ratio"]["enter"]["value"] == pytest.approx(4, rel=0.2)
    assert figures["rate_ratio"]["leave"]["value"] == pytest.approx(1, rel=0.2)


def test_noise_floor_follows_the_number_of_samples(md):
    many, few = noise_floor(md, 20_000), noise_floor(md, 2_000)
    assert few.value > 3 * many.value
    assert noise_floor(md, 1e9).value == histograms.jensen_shannon(*md.halves)


def test_decorrelation_speedup_of_the_same_dynamics_is_the_ratio_of_speeds(md):
    phi, psi = plane(markov_chain(0.03, 0.5, 50_000, seed=17)[0], seed=18)
    figures = compare_decorrelation(Series(phi, psi, 1000.0), md, 60.0, 0.05)
    # A chain seen once per ns and the process behind it: (1+a)/(1-a) against 2 / -ln(a) with a = 0.47.
    expected = 1200 * (2 / -np.log(0.47)) / (1.47 / 0.53)
    assert figures["decorrelation_speedup"] == pytest.approx(expected, rel=0.1)
