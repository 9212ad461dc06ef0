#include "openmmjump/network/graph/InternalCoordinates.h"
#include <algorithm>
#include <cmath>
#include <stdexcept>

using namespace JumpPlugin;
using torch::Tensor;

namespace {

using Kind = InternalCoordinates::Kind;

/** Below this sine three atoms count as bent by it: derivatives of a straight angle have no limit. */
constexpr double MinSine = 0.1;

struct Vector {
    double x, y, z;
};
Vector operator+(const Vector& a, const Vector& b) {
    return {a.x + b.x, a.y + b.y, a.z + b.z};
}
Vector operator-(const Vector& a, const Vector& b) {
    return {a.x - b.x, a.y - b.y, a.z - b.z};
}
Vector operator*(double s, const Vector& a) {
    return {s * a.x, s * a.y, s * a.z};
}
double dot(const Vector& a, const Vector& b) {
    return a.x * b.x + a.y * b.y + a.z * b.z;
}
Vector cross(const Vector& a, const Vector& b) {
    return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
double length(const Vector& a) {
    return std::sqrt(dot(a, a));
}

/** The derivatives of a coordinate by the positions of its atoms. */
using Derivatives = std::array<Vector, 4>;

Derivatives deriveBond(const Vector& a, const Vector& b) {
    const Vector u = a - b, unit = (1 / length(u)) * u;
    return {unit, -1 * unit};
}

Derivatives deriveAngle(const Vector& a, const Vector& center, const Vector& c) {
    const double lengthA = length(a - center), lengthC = length(c - center);
    const Vector u = (1 / lengthA) * (a - center), v = (1 / lengthC) * (c - center);
    const double cosine = dot(u, v), sine = std::max(length(cross(u, v)), MinSine);
    const Vector first = (1 / (lengthA * sine)) * (cosine * u - v), last = (1 / (lengthC * sine)) * (cosine * v - u);
    return {first, -1 * (first + last), last};
}

Derivatives deriveImproper(const Vector& center, const Vector& a, const Vector& b, const Vector& c) {
    const Vector arms[3] = {a - center, b - center, c - center};
    double lengths[3];
    Vector units[3];
    for (int arm = 0; arm < 3; arm++) {
        lengths[arm] = length(arms[arm]);
        units[arm] = (1 / lengths[arm]) * arms[arm];
    }
    const double volume = dot(units[0], cross(units[1], units[2]));
    Derivatives result = {Vector{0, 0, 0}};
    for (int arm = 0; arm < 3; arm++) {
        const Vector normal = cross(units[(arm + 1) % 3], units[(arm + 2) % 3]);
        result[arm + 1] = (1 / lengths[arm]) * (normal - volume * units[arm]);
        result[0] = result[0] - result[arm + 1];
    }
    return result;
}

/** Blondel and Karplus, J. Comput. Chem. 17, 1132 (1996), equation 27. */
Derivatives deriveTorsion(const Vector& a, const Vector& b, const Vector& c, const Vector& d) {
    const Vector f = a - b, g = b - c, h = d - c, m = cross(f, g), n = cross(h, g);
    const double axis = length(g), least = MinSine * MinSine * dot(g, g);
    const double squareM = std::max(dot(m, m), least * dot(f, f)), squareN = std::max(dot(n, n), least * dot(h, h));
    const Vector first = (-axis / squareM) * m, last = (axis / squareN) * n;
    const Vector lean = (dot(f, g) / (squareM * axis)) * m - (dot(h, g) / (squareN * axis)) * n;
    return {first, lean - first, -1 * (lean + last), last};
}

int countAtoms(Kind kind) {
    return kind == Kind::Bond ? 2 : kind == Kind::Angle ? 3 : 4;
}

Derivatives derive(const InternalCoordinates::Coordinate& coordinate, const Vector* x) {
    const auto& atoms = coordinate.atoms;
    switch (coordinate.kind) {
    case Kind::Bond:
        return deriveBond(x[atoms[0]], x[atoms[1]]);
    case Kind::Angle:
        return deriveAngle(x[atoms[0]], x[atoms[1]], x[atoms[2]]);
    case Kind::Improper:
        return deriveImproper(x[atoms[0]], x[atoms[1]], x[atoms[2]], x[atoms[3]]);
    default:
        return deriveTorsion(x[atoms[0]], x[atoms[1]], x[atoms[2]], x[atoms[3]]);
    }
}

double findWidth(const CoordinateWidths& widths, Kind kind) {
    switch (kind) {
    case Kind::Bond:
        return widths.bond;
    case Kind::Angle:
        return widths.angle;
    case Kind::Improper:
        return widths.improper;
    case Kind::StiffTorsion:
        return widths.stiffTorsion;
    default:
        return widths.softTorsion;
    }
}

const Vector* read(const Tensor& x, int64_t numAtoms) {
    if (x.dim() != 2 || x.size(0) != numAtoms || x.size(1) != 3 || x.scalar_type() != torch::kFloat64 || !x.is_cpu() ||
        !x.is_contiguous())
        throw std::invalid_argument("InternalCoordinates: the positions must be (" + std::to_string(numAtoms) +
                                    ", 3) in double precision on the CPU.");
    return reinterpret_cast<const Vector*>(x.const_data_ptr<double>());
}

int64_t getElement(const MoleculeBatch& batch, int64_t atom) {
    return batch.getAtomType().const_data_ptr<int64_t>()[atom] + 1;
}

int64_t countBonded(const MoleculeBatch& batch, int64_t atom) {
    const auto [begin, end] = batch.getBondedAtoms(atom);
    return end - begin;
}

/** Whether an atom is a carbon with an oxygen or sulfur that is bonded to nothing else: of an amide, if nitrogen is
 * next. */
bool isCarbonyl(const MoleculeBatch& batch, int64_t atom) {
    const auto [begin, end] = batch.getBondedAtoms(atom);
    return getElement(batch, atom) == 6 && std::any_of(begin, end, [&](int64_t other) {
               const int64_t element = getElement(batch, other);
               return (element == 8 || element == 16) && countBonded(batch, other) == 1;
           });
}

int64_t findOrder(const MoleculeBatch& batch, int64_t first, int64_t second) {
    const Tensor& bonds = batch.getBonds();
    const int64_t count = bonds.size(1);
    const int64_t *from = bonds.const_data_ptr<int64_t>(), *to = from + count;
    for (int64_t bond = 0; bond < count; bond++)
        if (from[bond] == first && to[bond] == second)
            return batch.getBondOrder().const_data_ptr<int64_t>()[bond];
    return 0;
}

bool isStiff(const MoleculeBatch& batch, int64_t first, int64_t second) {
    const auto isAmide = [&](int64_t carbon, int64_t nitrogen) {
        return getElement(batch, nitrogen) == 7 && isCarbonyl(batch, carbon);
    };
    return findOrder(batch, first, second) == 2 || isAmide(first, second) || isAmide(second, first);
}

} // namespace

void CoordinateWidths::validate() const {
    const std::pair<const char*, double> all[] = {{"bond", bond},
                                                  {"angle", angle},
                                                  {"improper", improper},
                                                  {"stiff torsion", stiffTorsion},
                                                  {"soft torsion", softTorsion},
                                                  {"anything", anything}};
    for (const auto& [name, width] : all)
        if (!(width > 0) || !std::isfinite(width))
            throw std::invalid_argument(std::string("InternalCoordinates: the width of ") + name + " is " +
                                        std::to_string(width) + ", but it must be above zero.");
}

InternalCoordinates::InternalCoordinates(const MoleculeBatch& batch, int64_t molecule) {
    const std::vector<int64_t>& start = batch.getMoleculeStart();
    const int64_t first = start.at(molecule), end = start.at(molecule + 1);
    numAtoms = end - first;
    for (int64_t atom = first; atom < end; atom++) {
        const auto [begin, stop] = batch.getBondedAtoms(atom);
        for (const int64_t* other = begin; other != stop; other++)
            if (atom < *other)
                coordinates.push_back({Kind::Bond, {atom - first, *other - first}});
        addAngles(batch, first, atom);
    }
    for (int64_t atom = first; atom < end; atom++) {
        const auto [begin, stop] = batch.getBondedAtoms(atom);
        for (const int64_t* other = begin; other != stop; other++)
            if (atom < *other)
                addTorsion(batch, first, atom, *other);
    }
}

/** Angles and impropers at an atom. */
void InternalCoordinates::addAngles(const MoleculeBatch& batch, int64_t first, int64_t atom) {
    const auto [begin, end] = batch.getBondedAtoms(atom);
    for (const int64_t* a = begin; a != end; a++)
        for (const int64_t* b = a + 1; b != end; b++) {
            coordinates.push_back({Kind::Angle, {*a - first, atom - first, *b - first}});
            for (const int64_t* c = b + 1; c != end; c++)
                coordinates.push_back({Kind::Improper, {atom - first, *a - first, *b - first, *c - first}});
        }
}

/** The torsion about a bond between the first atoms that are bonded to its ends, if there are two. */
void InternalCoordinates::addTorsion(const MoleculeBatch& batch, int64_t first, int64_t second, int64_t third) {
    const auto findEnd = [&](int64_t atom, int64_t other, int64_t taken) {
        const auto [begin, end] = batch.getBondedAtoms(atom);
        const auto* found = std::find_if(begin, end, [&](int64_t each) { return each != other && each != taken; });
        return found == end ? -1 : *found;
    };
    const int64_t a = findEnd(second, third, -1), d = findEnd(third, second, a);
    if (a < 0 || d < 0)
        return;
    const Kind kind = isStiff(batch, second, third) ? Kind::StiffTorsion : Kind::SoftTorsion;
    coordinates.push_back({kind, {a - first, second - first, third - first, d - first}});
}

Tensor InternalCoordinates::computeDerivatives(const Tensor& x) const {
    const Vector* atoms = read(x, numAtoms);
    const Tensor result = torch::zeros({static_cast<int64_t>(coordinates.size()), 3 * numAtoms}, torch::kFloat64);
    double* row = result.data_ptr<double>();
    for (const Coordinate& coordinate : coordinates) {
        const Derivatives derivatives = derive(coordinate, atoms);
        for (int k = 0; k < countAtoms(coordinate.kind); k++)
            reinterpret_cast<Vector*>(row)[coordinate.atoms[k]] = derivatives[k];
        row += 3 * numAtoms;
    }
    return result;
}

Tensor InternalCoordinates::computeStiffness(const Tensor& x, const CoordinateWidths& widths) const {
    const Vector* atoms = read(x, numAtoms);
    const int64_t size = 3 * numAtoms;
    const Tensor result = torch::eye(size, torch::kFloat64) / (widths.anything * widths.anything);
    double* matrix = result.data_ptr<double>();
    for (const Coordinate& coordinate : coordinates) {
        const Derivatives derivatives = derive(coordinate, atoms);
        const double width = findWidth(widths, coordinate.kind), weight = 1 / (width * width);
        const int count = countAtoms(coordinate.kind);
        for (int k = 0; k < count; k++)
            for (int l = 0; l < count; l++) {
                const double *a = &derivatives[k].x, *b = &derivatives[l].x;
                double* block = matrix + 3 * coordinate.atoms[k] * size + 3 * coordinate.atoms[l];
                for (int i = 0; i < 3; i++)
                    for (int j = 0; j < 3; j++)
                        block[i * size + j] += weight * a[i] * b[j];
            }
    }
    return result;
}
