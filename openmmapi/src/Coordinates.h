#ifndef OPENMMJUMP_COORDINATES_H_
#define OPENMMJUMP_COORDINATES_H_

#include <vector>

#include <Eigen/Core>

#include "openmm/Vec3.h"

namespace JumpPlugin {

/** Coordinates of N particles as one vector of 3 N numbers: x, y, z of the first particle, then of the second. */
using Coordinates = Eigen::VectorXd;

inline Coordinates toCoordinates(const std::vector<OpenMM::Vec3>& vectors) {
    Coordinates result(3 * vectors.size());
    for (size_t i = 0; i < vectors.size(); i++)
        for (int k = 0; k < 3; k++)
            result[3 * i + k] = vectors[i][k];
    return result;
}

inline std::vector<OpenMM::Vec3> toVectors(const Coordinates& coordinates) {
    std::vector<OpenMM::Vec3> result(coordinates.size() / 3);
    for (size_t i = 0; i < result.size(); i++)
        result[i] = OpenMM::Vec3(coordinates[3 * i], coordinates[3 * i + 1], coordinates[3 * i + 2]);
    return result;
}

/** The vector of one particle. */
inline Eigen::Vector3d getVector(const Coordinates& coordinates, int particle) {
    return coordinates.segment<3>(3 * particle);
}

} // namespace JumpPlugin

#endif // OPENMMJUMP_COORDINATES_H_
