// Molecular dynamics of many replicas of one small molecule, one replica per SIMD lane.
//
// All W replicas of a batch do the same arithmetic on different numbers, so a vector register holds one coordinate of
// W replicas and nothing is ever shuffled.  The force field comes from a parameter file that generate.py writes from
// an OpenMM System; the integrator is OpenMM's LangevinMiddleIntegrator with constraints.
//
// Units are OpenMM's: nm, ps, amu, kJ/mol, elementary charges.  Everything is in single precision.
//
//   replica_md evaluate PARAMETERS CONFORMATIONS OUT
//       CONFORMATIONS: float32 [n][atoms][3], n a multiple of W.  OUT: float32 [n][1 + 3 atoms], energy then forces.
//   replica_md run PARAMETERS STATE OUT STEPS STRIDE FINE_STRIDE FINE_REPLICAS DT FRICTION TEMPERATURE
//       STATE: positions float32 [n][atoms][3], velocities likewise, generator uint32 [n][4]; n a multiple of W.
//       Writes OUT.state (the same layout), OUT.frames float32 [STEPS/STRIDE][n][written atoms][3],
//       OUT.energies float32 [STEPS/STRIDE][n][2] (potential, kinetic) and, for the first FINE_REPLICAS replicas,
//       OUT.fine float32 [STEPS/FINE_STRIDE][FINE_REPLICAS][written atoms][3].

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

// ---------------------------------------------------------------------------------------------- vectors of W lanes

constexpr int W = 16;
typedef float V __attribute__((vector_size(4 * W)));
typedef int32_t I __attribute__((vector_size(4 * W)));
typedef uint32_t U __attribute__((vector_size(4 * W)));

struct Vec3 {
    V x, y, z;
};

inline Vec3 operator+(const Vec3& a, const Vec3& b) {
    return {a.x + b.x, a.y + b.y, a.z + b.z};
}
inline Vec3 operator-(const Vec3& a, const Vec3& b) {
    return {a.x - b.x, a.y - b.y, a.z - b.z};
}
inline Vec3 operator*(V s, const Vec3& a) {
    return {s * a.x, s * a.y, s * a.z};
}
inline Vec3 operator*(float s, const Vec3& a) {
    return {s * a.x, s * a.y, s * a.z};
}
inline void operator+=(Vec3& a, const Vec3& b) {
    a = a + b;
}
inline void operator-=(Vec3& a, const Vec3& b) {
    a = a - b;
}
inline V dot(const Vec3& a, const Vec3& b) {
    return a.x * b.x + a.y * b.y + a.z * b.z;
}
inline Vec3 cross(const Vec3& a, const Vec3& b) {
    return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

inline V broadcast(float s) {
    return V{} + s;
}
inline V max(V a, V b) {
    return a > b ? a : b;
}
inline V min(V a, V b) {
    return a < b ? a : b;
}
inline V abs(V a) {
    return max(a, -a);
}

inline bool any(I mask) {
    int32_t bits = 0;
    for (int l = 0; l < W; ++l)
        bits |= mask[l];
    return bits != 0;
}

inline V sqrt(V a) {
    V r;
    for (int l = 0; l < W; ++l)
        r[l] = __builtin_sqrtf(a[l]);
    return r;
}

// Exponential, logarithm, sine and cosine after the Cephes library (Moshier), to about 1e-7.

inline V exp(V x) {
    x = min(max(x, broadcast(-87.0f)), broadcast(87.0f));
    I k = __builtin_convertvector(x * 1.44269504f + (x < 0 ? broadcast(-0.5f) : broadcast(0.5f)), I);
    V n = __builtin_convertvector(k, V), r = x - n * 0.693147181f;
    V p = ((((1.9875691500e-4f * r + 1.3981999507e-3f) * r + 8.3334519073e-3f) * r + 4.1665795894e-2f) * r +
           1.6666665459e-1f) *
              r +
          5.0000001201e-1f;
    return (p * r * r + r + 1.0f) * (V)((k + 127) << 23);
}

inline V log(V x) {
    I bits = (I)x, k = (bits >> 23) - 126;
    V m = (V)((bits & 0x7fffff) | 0x3f000000);
    I low = m < 0.707106781f;
    k += low; // a true comparison is -1
    m = (low ? m + m : m) - 1.0f;
    V z = m * m, n = __builtin_convertvector(k, V);
    V p = ((((((((7.0376836292e-2f * m - 1.1514610310e-1f) * m + 1.1676998740e-1f) * m - 1.2420140846e-1f) * m +
               1.4249322787e-1f) *
                  m -
              1.6668057665e-1f) *
                 m +
             2.0000714765e-1f) *
                m -
            2.4999993993e-1f) *
               m +
           3.3333331174e-1f) *
          m * z;
    return n * 0.693147181f + (m + (p - 0.5f * z));
}

inline void sincos_turns(V u, V& s, V& c) { // sine and cosine of 2 pi u, 0 <= u <= 1
    I q = __builtin_convertvector(4.0f * u + 0.5f, I);
    V a = (u - 0.25f * __builtin_convertvector(q, V)) * 6.283185307f, z = a * a;
    V sa = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * a + a;
    V ca = ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z - 0.5f * z + 1.0f;
    I odd = (q & 1) != 0;
    s = odd ? ca : sa;
    c = odd ? sa : ca;
    s = (q & 2) != 0 ? -s : s;
    c = ((q + 1) & 2) != 0 ? -c : c;
}

inline V acos(V x) { // Abramowitz and Stegun 4.4.46, to 2e-8
    V a = min(abs(x), broadcast(1.0f));
    V p = ((((((-0.0012624911f * a + 0.0066700901f) * a - 0.0170881256f) * a + 0.0308918810f) * a - 0.0501743046f) * a +
            0.0889789874f) *
               a -
           0.2145988016f) *
              a +
          1.5707963050f;
    V y = sqrt(1.0f - a) * p;
    return x < 0 ? 3.141592654f - y : y;
}

// xoshiro128++ (Blackman and Vigna), one generator per lane, and Box-Muller normals.
struct Generator {
    U s[4];

    static U rotate(U x, int k) { return (x << k) | (x >> (32 - k)); }

    V uniform() { // in (0, 1)
        U result = rotate(s[0] + s[3], 7) + s[0], t = s[1] << 9;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = rotate(s[3], 11);
        return (__builtin_convertvector((I)(result >> 8), V) + 0.5f) * 0x1p-24f;
    }

    void normals(V& a, V& b) {
        V radius = sqrt(-2.0f * log(uniform())), s, c;
        sincos_turns(uniform(), s, c);
        a = radius * c;
        b = radius * s;
    }
};

// ----------------------------------------------------------------------------------------------------- parameters

constexpr int HARMONICS = 6;

struct Atom {
    float mass, charge, rho, scaled, alpha, beta, gamma;
}; // rho: offset radius, scaled: times rho
struct Neck {
    float m0, d0;
};
struct Pair {
    int i, j;
    float qq, a, b;
    Neck neck_i, neck_j;
}; // E = qq/r + a/r^12 - b/r^6
struct Bond {
    int i, j;
    float length, k;
};
struct Angle {
    int i, j, k;
    float angle, kf;
};
struct Torsion {
    int i, j, k, l;
    float constant, cosine[HARMONICS], sine[HARMONICS];
};
struct Constraint {
    int heavy, hydrogen;
    float length;
};
struct Solvent {
    float prefactor, offset, neck_scale, neck_cut, surface, probe;
};

struct Parameters {
    std::vector<Atom> atoms;
    std::vector<Pair> pairs;
    std::vector<Bond> bonds;
    std::vector<Angle> angles;
    std::vector<Torsion> torsions;
    std::vector<std::vector<Constraint>> clusters; // the hydrogens of one heavy atom
    std::vector<int> written;
    Solvent solvent;
};

void read(std::istream& in, Atom& a) {
    in >> a.mass >> a.charge >> a.rho >> a.scaled >> a.alpha >> a.beta >> a.gamma;
}
void read(std::istream& in, Pair& p) {
    in >> p.i >> p.j >> p.qq >> p.a >> p.b >> p.neck_i.m0 >> p.neck_i.d0 >> p.neck_j.m0 >> p.neck_j.d0;
}
void read(std::istream& in, Bond& b) {
    in >> b.i >> b.j >> b.length >> b.k;
}
void read(std::istream& in, Angle& a) {
    in >> a.i >> a.j >> a.k >> a.angle >> a.kf;
}
void read(std::istream& in, Torsion& t) {
    in >> t.i >> t.j >> t.k >> t.l >> t.constant;
    for (float& c : t.cosine)
        in >> c;
    for (float& s : t.sine)
        in >> s;
}
void read(std::istream& in, Constraint& c) {
    in >> c.heavy >> c.hydrogen >> c.length;
}
void read(std::istream& in, Solvent& s) {
    in >> s.prefactor >> s.offset >> s.neck_scale >> s.neck_cut >> s.surface >> s.probe;
}
void read(std::istream& in, int& i) {
    in >> i;
}

template <typename Row>
std::vector<Row> section(std::istream& in, const std::string& name) {
    std::string found;
    size_t count;
    if (!(in >> found >> count) || found != name)
        throw std::runtime_error("expected section " + name + ", found " + found);
    std::vector<Row> rows(count);
    for (Row& row : rows)
        read(in, row);
    if (!in)
        throw std::runtime_error("section " + name + " is broken");
    return rows;
}

Parameters read_parameters(const char* path) {
    std::ifstream in(path);
    Parameters p;
    p.atoms = section<Atom>(in, "atoms");
    p.pairs = section<Pair>(in, "pairs");
    p.bonds = section<Bond>(in, "bonds");
    p.angles = section<Angle>(in, "angles");
    p.torsions = section<Torsion>(in, "torsions");
    for (const Constraint& c : section<Constraint>(in, "constraints")) {
        if (p.clusters.empty() || p.clusters.back()[0].heavy != c.heavy)
            p.clusters.emplace_back();
        p.clusters.back().push_back(c);
    }
    p.solvent = section<Solvent>(in, "solvent").at(0);
    p.written = section<int>(in, "written");
    return p;
}

// --------------------------------------------------------------------------------------------------------- forces

// Forces on the W replicas of one batch, with the work space they need.
class ForceField {
public:
    explicit ForceField(const Parameters& p) : p(p), atoms(p.atoms.size()), pairs(p.pairs.size()) {}

    V evaluate(const Vec3* x, Vec3* f) { // returns the potential energy, writes the forces
        for (size_t i = 0; i < atoms.size(); ++i)
            f[i] = Vec3{};
        born_integrals(x);
        V energy = born_radii();
        energy += pair_energies();
        pair_forces(x, f);
        for (const Bond& b : p.bonds)
            energy += bond(b, x, f);
        for (const Angle& a : p.angles)
            energy += angle(a, x, f);
        for (const Torsion& t : p.torsions)
            energy += torsion(t, x, f);
        return energy;
    }

private:
    struct AtomWork {
        V integral, inverse, slope, denergy;
    }; // I, 1/B, d(ln B)/dI, dE/d(ln B)
    struct PairWork {
        V r2, rinv, di, dj, force;
    }; // dI_i/dr, dI_j/dr, -dE/dr / r

    const Parameters& p;
    std::vector<AtomWork> atoms;
    std::vector<PairWork> pairs;

    // Volume integral of a sphere of radius s at distance r around an atom of radius rho (Hawkins, Cramer and Truhlar,
    // J. Phys. Chem. 100, 19824, 1996), as in OpenMM's GBn2 expression.  The derivatives by its limits L and U vanish.
    static void descreen(V r, V rinv, float rho, float s, V& value, V& derivative) {
        V u = r + s, l = max(broadcast(rho), abs(r - s)), inverse = 1.0f / (u * l);
        V upper = l * inverse, lower = u * inverse; // 1/U, 1/L by one division
        V squares = upper * upper - lower * lower, t = s * s * rinv;
        V logarithm = log(l * upper) * rinv;
        I touches = r + s > rho;
        value = touches ? 0.5f * (lower - upper + 0.25f * (r - t) * squares + 0.5f * logarithm) : V{};
        derivative = touches ? 0.5f * (0.25f * (1.0f + t * rinv) * squares - 0.5f * logarithm * rinv) : V{};
    }

    // m0 / (1 + 100 (r - d0)^2 + 3e5 (r - d0)^6) (Mongan et al., JCTC 3, 156, 2007), times the scale of GBn2.
    static void add_neck(V r, I reaches, float scale, const Neck& neck, V& value, V& derivative) {
        V t = r - neck.d0, t2 = t * t, shape = 1.0f / (1.0f + t2 * (100.0f + 3e5f * t2 * t2));
        V depth = reaches ? scale * neck.m0 * shape : V{};
        value += depth;
        derivative -= depth * shape * t * (200.0f + 1.8e6f * t2 * t2);
    }

    void born_integrals(const Vec3* x) {
        for (AtomWork& a : atoms)
            a.integral = V{};
        for (size_t n = 0; n < pairs.size(); ++n) {
            const Pair& q = p.pairs[n];
            const Atom &a = p.atoms[q.i], &b = p.atoms[q.j];
            PairWork& w = pairs[n];
            Vec3 d = x[q.i] - x[q.j];
            w.r2 = dot(d, d);
            w.rinv = 1.0f / sqrt(w.r2);
            V r = w.r2 * w.rinv, vi, vj;
            descreen(r, w.rinv, a.rho, b.scaled, vi, w.di);
            descreen(r, w.rinv, b.rho, a.scaled, vj, w.dj);
            I reaches = r < a.rho + b.rho + 2 * p.solvent.offset + p.solvent.neck_cut;
            add_neck(r, reaches, p.solvent.neck_scale, q.neck_i, vi, w.di);
            add_neck(r, reaches, p.solvent.neck_scale, q.neck_j, vj, w.dj);
            atoms[q.i].integral += vi;
            atoms[q.j].integral += vj;
        }
    }

    // 1/B = 1/rho - tanh(alpha psi - beta psi^2 + gamma psi^3) / radius, psi = rho I, and the terms of one atom:
    // its own solvation energy and the surface energy (ACE).
    V born_radii() {
        V energy = V{};
        for (size_t i = 0; i < atoms.size(); ++i) {
            const Atom& a = p.atoms[i];
            AtomWork& w = atoms[i];
            float radius = a.rho + p.solvent.offset;
            V psi = a.rho * w.integral;
            V tanh = 1.0f - 2.0f / (exp(2.0f * psi * (a.alpha + psi * (a.gamma * psi - a.beta))) + 1.0f);
            V binv = w.inverse = 1.0f / a.rho - tanh / radius;
            w.slope = (1.0f - tanh * tanh) * (a.rho / radius) / binv *
                      (a.alpha + psi * (3.0f * a.gamma * psi - 2.0f * a.beta));
            V own = -0.5f * p.solvent.prefactor * a.charge * a.charge * binv;
            V ratio2 = radius * radius * binv * binv;
            float surface = p.solvent.surface * (radius + p.solvent.probe) * (radius + p.solvent.probe);
            V shell = surface * ratio2 * ratio2 * ratio2;
            w.denergy = -(own + 6.0f * shell);
            energy += own + shell;
        }
        return energy;
    }

    // Coulomb and Lennard-Jones terms and -C q_i q_j / f, f^2 = r^2 + B_i B_j exp(-r^2 / (4 B_i B_j)).
    V pair_energies() {
        V energy = V{};
        for (size_t n = 0; n < pairs.size(); ++n) {
            const Pair& q = p.pairs[n];
            PairWork& w = pairs[n];
            AtomWork &a = atoms[q.i], &b = atoms[q.j];
            V r2inv = w.rinv * w.rinv, r6inv = r2inv * r2inv * r2inv;
            V coulomb = q.qq * w.rinv, repulsion = q.a * r6inv * r6inv, attraction = q.b * r6inv;
            V inverse = a.inverse * b.inverse, decay = exp(-0.25f * w.r2 * inverse), bb = 1.0f / inverse;
            V finv = 1.0f / sqrt(w.r2 + bb * decay);
            V solvation = -p.solvent.prefactor * p.atoms[q.i].charge * p.atoms[q.j].charge * finv;
            V slope = solvation * finv * finv;                   // -dE/d(f^2) times 2
            V dbb = -0.5f * slope * decay * (bb + 0.25f * w.r2); // dE/d(ln B), the same for both
            a.denergy += dbb;
            b.denergy += dbb;
            w.force = (coulomb + 12.0f * repulsion - 6.0f * attraction) * r2inv + slope * (1.0f - 0.25f * decay);
            energy += coulomb + repulsion - attraction + solvation;
        }
        return energy;
    }

    void pair_forces(const Vec3* x, Vec3* f) { // adds the change of the Born radii, once dE/dB is complete
        for (AtomWork& a : atoms)
            a.denergy *= a.slope; // now dE/dI
        for (size_t n = 0; n < pairs.size(); ++n) {
            const Pair& q = p.pairs[n];
            const PairWork& w = pairs[n];
            V scale = w.force - (atoms[q.i].denergy * w.di + atoms[q.j].denergy * w.dj) * w.rinv;
            Vec3 force = scale * (x[q.i] - x[q.j]);
            f[q.i] += force;
            f[q.j] -= force;
        }
    }

    static V bond(const Bond& b, const Vec3* x, Vec3* f) { // k/2 (r - r0)^2
        Vec3 d = x[b.i] - x[b.j];
        V r = sqrt(dot(d, d)), stretch = r - b.length;
        Vec3 force = (-b.k * stretch / r) * d;
        f[b.i] += force;
        f[b.j] -= force;
        return 0.5f * b.k * stretch * stretch;
    }

    static V angle(const Angle& a, const Vec3* x, Vec3* f) { // k/2 (theta - theta0)^2
        Vec3 u = x[a.i] - x[a.j], v = x[a.k] - x[a.j];
        V uinv = 1.0f / sqrt(dot(u, u)), vinv = 1.0f / sqrt(dot(v, v));
        u = uinv * u;
        v = vinv * v;
        V cosine = dot(u, v), bend = acos(cosine) - a.angle;
        V slope = a.kf * bend / sqrt(max(1.0f - cosine * cosine, broadcast(1e-8f))); // -dE/d(cos theta)
        Vec3 fi = (slope * uinv) * (v - cosine * u), fk = (slope * vinv) * (u - cosine * v);
        f[a.i] += fi;
        f[a.k] += fk;
        f[a.j] -= fi + fk;
        return 0.5f * a.kf * bend * bend;
    }

    // constant + sum_n c_n cos(n phi) + s_n sin(n phi); forces after Blondel and Karplus, J. Comput. Chem. 17, 1132.
    static V torsion(const Torsion& t, const Vec3* x, Vec3* f) {
        Vec3 a = x[t.i] - x[t.j], b = x[t.k] - x[t.j], c = x[t.k] - x[t.l];
        Vec3 m = cross(a, b), n = cross(b, c);
        V b2 = dot(b, b), blen = sqrt(b2), m2inv = 1.0f / dot(m, m), n2inv = 1.0f / dot(n, n);
        V norm = sqrt(m2inv * n2inv), c1 = dot(m, n) * norm, s1 = dot(a, n) * blen * norm;
        V cn = c1, sn = s1, energy = broadcast(t.constant), slope = V{}; // slope: dE/dphi
        for (int k = 0; k < HARMONICS; ++k) {
            energy += t.cosine[k] * cn + t.sine[k] * sn;
            slope += (k + 1.0f) * (t.sine[k] * cn - t.cosine[k] * sn);
            V next = cn * c1 - sn * s1;
            sn = sn * c1 + cn * s1;
            cn = next;
        }
        Vec3 fi = (-slope * blen * m2inv) * m, fl = (slope * blen * n2inv) * n;
        Vec3 s = (dot(a, b) / b2) * fi - (dot(c, b) / b2) * fl;
        f[t.i] += fi;
        f[t.l] += fl;
        f[t.j] += s - fi;
        f[t.k] -= s + fl;
        return energy;
    }
};

// ------------------------------------------------------------------------------------------------------ integrator

struct Batch {
    std::vector<Vec3> x, v;
    Generator random;
};

// OpenMM's LangevinMiddleIntegrator (Zhang et al., J. Phys. Chem. A 123, 6056, 2019; leapfrog form, with constraints).
class Integrator {
public:
    Integrator(const Parameters& p, float dt, float friction, float temperature) :
        p(p), forces(p), f(p.atoms.size()), old(p.atoms.size()), dt(dt), keep(std::exp(-friction * dt)) {
        double kt = 8.31446261815324e-3 * temperature;
        for (const Atom& a : p.atoms) {
            inverse_mass.push_back(1.0f / a.mass);
            noise.push_back(std::sqrt(kt * -std::expm1(-2.0 * friction * dt) / a.mass));
        }
    }

    void step(Batch& b) {
        size_t n = p.atoms.size();
        forces.evaluate(b.x.data(), f.data());
        for (size_t i = 0; i < n; ++i) {
            b.v[i] += (dt * inverse_mass[i]) * f[i];
            old[i] = b.x[i];
        }
        for (const auto& cluster : p.clusters)
            constrain_velocities(cluster, b);
        for (size_t i = 0; i < n; i += 2) { // two atoms share three Box-Muller pairs
            V g[6];
            for (int k = 0; k < 6; k += 2)
                b.random.normals(g[k], g[k + 1]);
            drift(b, i, Vec3{g[0], g[1], g[2]});
            if (i + 1 < n)
                drift(b, i + 1, Vec3{g[3], g[4], g[5]});
        }
        for (const auto& cluster : p.clusters)
            constrain_positions(cluster, b);
    }

    V potential(const Batch& b) { return forces.evaluate(b.x.data(), f.data()); }

    V kinetic(const Batch& b) const {
        V sum = V{};
        for (size_t i = 0; i < p.atoms.size(); ++i)
            sum += 0.5f * p.atoms[i].mass * dot(b.v[i], b.v[i]);
        return sum;
    }

    void centre(Batch& b) const { // an exact symmetry; keeps single precision positions small
        Vec3 sum{};
        float mass = 0;
        for (size_t i = 0; i < p.atoms.size(); ++i) {
            sum += p.atoms[i].mass * b.x[i];
            mass += p.atoms[i].mass;
        }
        for (Vec3& x : b.x)
            x -= (1.0f / mass) * sum;
    }

private:
    static constexpr float TOLERANCE = 1e-6f; // relative, of constrained distances
    static constexpr int ITERATIONS = 50, LARGEST = 4;

    const Parameters& p;
    ForceField forces;
    std::vector<Vec3> f, old;
    std::vector<float> inverse_mass, noise;
    float dt, keep;

    void drift(Batch& b, size_t i, const Vec3& normal) {
        b.x[i] += (0.5f * dt) * b.v[i];
        b.v[i] = keep * b.v[i] + noise[i] * normal;
        b.x[i] += (0.5f * dt) * b.v[i];
    }

    void constrain_velocities(const std::vector<Constraint>& cluster, Batch& b) { // RATTLE
        for (int iteration = 0; iteration < ITERATIONS; ++iteration) {
            I moving = I{};
            for (const Constraint& c : cluster) {
                float wi = inverse_mass[c.heavy], wj = inverse_mass[c.hydrogen];
                Vec3 d = b.x[c.heavy] - b.x[c.hydrogen];
                V along = dot(b.v[c.heavy] - b.v[c.hydrogen], d) / (c.length * c.length);
                moving |= abs(along) * dt > TOLERANCE;
                V g = along / (wi + wj);
                b.v[c.heavy] -= (wi * g) * d;
                b.v[c.hydrogen] += (wj * g) * d;
            }
            if (!any(moving))
                break;
        }
    }

    // SHAKE along the bonds of the old positions; distances and shifts are kept apart from the positions, so that
    // rounding does not hide convergence.  The velocities take up the shift.
    void constrain_positions(const std::vector<Constraint>& cluster, Batch& b) {
        int heavy = cluster[0].heavy, n = cluster.size();
        float wi = inverse_mass[heavy];
        Vec3 before[LARGEST], now[LARGEST], shift[LARGEST] = {}, heavy_shift = {};
        for (int k = 0; k < n; ++k) {
            before[k] = old[heavy] - old[cluster[k].hydrogen];
            now[k] = b.x[heavy] - b.x[cluster[k].hydrogen];
        }
        for (int iteration = 0; iteration < ITERATIONS; ++iteration) {
            I moving = I{};
            for (int k = 0; k < n; ++k) {
                float wj = inverse_mass[cluster[k].hydrogen], square = cluster[k].length * cluster[k].length;
                Vec3 d = now[k] + heavy_shift - shift[k];
                V off = square - dot(d, d);
                moving |= abs(off) > 2 * TOLERANCE * square;
                V g = off / (2 * (wi + wj) * dot(d, before[k]));
                heavy_shift += (wi * g) * before[k];
                shift[k] -= (wj * g) * before[k];
            }
            if (!any(moving))
                break;
        }
        b.x[heavy] += heavy_shift;
        b.v[heavy] += (1.0f / dt) * heavy_shift;
        for (int k = 0; k < n; ++k) {
            b.x[cluster[k].hydrogen] += shift[k];
            b.v[cluster[k].hydrogen] += (1.0f / dt) * shift[k];
        }
    }
};

// ----------------------------------------------------------------------------------------------------------- files

std::vector<uint32_t> read_words(const char* path) {
    std::ifstream in(path, std::ios::binary | std::ios::ate);
    if (!in)
        throw std::runtime_error(std::string("cannot read ") + path);
    std::vector<uint32_t> words(in.tellg() / 4);
    in.seekg(0).read(reinterpret_cast<char*>(words.data()), words.size() * 4);
    return words;
}

template <typename T>
void write(const std::string& path, const std::vector<T>& words) {
    std::ofstream out(path, std::ios::binary);
    out.write(reinterpret_cast<const char*>(words.data()), words.size() * 4);
    if (!out)
        throw std::runtime_error("cannot write " + path);
}

float as_float(uint32_t w) {
    float f;
    std::memcpy(&f, &w, 4);
    return f;
}
uint32_t as_word(float f) {
    uint32_t w;
    std::memcpy(&w, &f, 4);
    return w;
}

void gather(const uint32_t* words, size_t atoms, Vec3* x) { // [W][atoms][3] into lanes
    for (int l = 0; l < W; ++l)
        for (size_t i = 0; i < atoms; ++i, words += 3) {
            x[i].x[l] = as_float(words[0]);
            x[i].y[l] = as_float(words[1]);
            x[i].z[l] = as_float(words[2]);
        }
}

void scatter(const Vec3* x, size_t atoms, uint32_t* words) {
    for (int l = 0; l < W; ++l)
        for (size_t i = 0; i < atoms; ++i, words += 3) {
            words[0] = as_word(x[i].x[l]);
            words[1] = as_word(x[i].y[l]);
            words[2] = as_word(x[i].z[l]);
        }
}

void write_frame(const Parameters& p, const Batch& b, int lanes, float* out) {
    for (int l = 0; l < lanes; ++l)
        for (int i : p.written) {
            *out++ = b.x[i].x[l];
            *out++ = b.x[i].y[l];
            *out++ = b.x[i].z[l];
        }
}

// ------------------------------------------------------------------------------------------------------- commands

void evaluate(const Parameters& p, const char* conformations, const std::string& out) {
    size_t atoms = p.atoms.size();
    std::vector<uint32_t> words = read_words(conformations), result;
    ForceField forces(p);
    std::vector<Vec3> x(atoms), f(atoms);
    for (size_t start = 0; start + W * atoms * 3 <= words.size(); start += W * atoms * 3) {
        gather(&words[start], atoms, x.data());
        V energy = forces.evaluate(x.data(), f.data());
        std::vector<uint32_t> all(W * atoms * 3);
        scatter(f.data(), atoms, all.data());
        for (int l = 0; l < W; ++l) {
            result.push_back(as_word(energy[l]));
            result.insert(result.end(), &all[l * atoms * 3], &all[l * atoms * 3] + atoms * 3);
        }
    }
    write(out, result);
}

struct Plan {
    int steps, stride, fine_stride, fine_replicas;
    float dt, friction, temperature;
};

void run(const Parameters& p, const char* state, const std::string& out, const Plan& plan) {
    constexpr int CENTRE_EVERY = 50;
    size_t atoms = p.atoms.size(), width = p.written.size() * 3;
    std::vector<uint32_t> words = read_words(state);
    size_t replicas = words.size() / (6 * atoms + 4), coordinates = replicas * atoms * 3;
    std::vector<float> frames(plan.steps / plan.stride * replicas * width);
    std::vector<float> energies(plan.steps / plan.stride * replicas * 2);
    std::vector<float> fine(plan.steps / plan.fine_stride * plan.fine_replicas * width);
    for (size_t first = 0; first + W <= replicas; first += W) {
        Integrator integrator(p, plan.dt, plan.friction, plan.temperature);
        Batch b{std::vector<Vec3>(atoms), std::vector<Vec3>(atoms), {}};
        uint32_t *xw = &words[first * atoms * 3], *vw = xw + coordinates, *rw = &words[2 * coordinates + first * 4];
        gather(xw, atoms, b.x.data());
        gather(vw, atoms, b.v.data());
        for (int k = 0; k < 4 * W; ++k)
            b.random.s[k % 4][k / 4] = rw[k];
        int fine_lanes = std::min(W, std::max(0, plan.fine_replicas - int(first)));
        for (int step = 1; step <= plan.steps; ++step) {
            integrator.step(b);
            if (step % CENTRE_EVERY == 0)
                integrator.centre(b);
            if (step % plan.fine_stride == 0 && fine_lanes > 0) {
                size_t row = (step / plan.fine_stride - 1) * plan.fine_replicas + first;
                write_frame(p, b, fine_lanes, &fine[row * width]);
            }
            if (step % plan.stride == 0) {
                size_t row = (step / plan.stride - 1) * replicas + first;
                write_frame(p, b, W, &frames[row * width]);
                V potential = integrator.potential(b), kinetic = integrator.kinetic(b);
                for (int l = 0; l < W; ++l) {
                    energies[(row + l) * 2] = potential[l];
                    energies[(row + l) * 2 + 1] = kinetic[l];
                }
            }
        }
        scatter(b.x.data(), atoms, xw);
        scatter(b.v.data(), atoms, vw);
        for (int k = 0; k < 4 * W; ++k)
            rw[k] = b.random.s[k % 4][k / 4];
    }
    write(out + ".frames", frames);
    write(out + ".energies", energies);
    write(out + ".fine", fine);
    write(out + ".state", words);
}

int main(int argc, char** argv) {
    try {
        std::string command = argc > 1 ? argv[1] : "";
        if (command == "evaluate" && argc == 5) {
            evaluate(read_parameters(argv[2]), argv[3], argv[4]);
        } else if (command == "run" && argc == 12) {
            auto number = [&](int i) { return std::atoi(argv[i]); };
            auto real = [&](int i) { return float(std::atof(argv[i])); };
            Plan plan{number(5), number(6), number(7), number(8), real(9), real(10), real(11)};
            run(read_parameters(argv[2]), argv[3], argv[4], plan);
        } else {
            std::cerr << "see the head of replica_md.cpp for the arguments\n";
            return 2;
        }
    } catch (const std::exception& error) {
        std::cerr << "replica_md: " << error.what() << '\n';
        return 1;
    }
}
