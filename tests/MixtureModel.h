#ifndef OPENMMJUMP_TESTS_MIXTUREMODEL_H_
#define OPENMMJUMP_TESTS_MIXTUREMODEL_H_

#include <deque>
#include <string>
#include <vector>

#include "openmm/Vec3.h"
#include "openmmjump/network/model/ModelFile.h"

/** Model files of the family "gaussian-mixture" (see MixtureSampler), in nm, with isotropic components. */
class MixtureModel {
public:
    struct Component {
        double weight;
        std::vector<OpenMM::Vec3> mean; ///< of each atom, nm
        double width;                   ///< standard deviation of each coordinate, nm
    };
    std::vector<Component> components;
    double memory = 0;     ///< 0: independent proposals, 1: random walk
    double lagTime = 10.0; ///< ps
    bool preserves = true; ///< whether the file says that the jump keeps orientation and centre of mass

    /** The bytes of the model file. */
    std::string getBytes() const {
        const int64_t K = components.size(), N = components[0].mean.size(), D = 3 * N;
        JumpPlugin::ModelMetadata metadata;
        metadata.name = "mixture";
        metadata.family = "gaussian-mixture";
        metadata.settings = {{"num_atoms", N}, {"components", K}, {"memory", memory}};
        metadata.lengthScale = 1;
        metadata.lagTime = lagTime;
        metadata.temperature = 300;
        metadata.preservesOrientation = metadata.preservesCenterOfMass = preserves;
        std::vector<double> weights, means, cholesky(K * D * D, 0.0);
        for (int64_t k = 0; k < K; k++) {
            weights.push_back(components[k].weight);
            for (const OpenMM::Vec3& x : components[k].mean)
                means.insert(means.end(), {x[0], x[1], x[2]});
            for (int64_t i = 0; i < D; i++)
                cholesky[(k * D + i) * D + i] = components[k].width;
        }
        JumpPlugin::SafetensorsFile::Tensors tensors;
        tensors["weights"] = store({K}, weights);
        tensors["means"] = store({K, N, 3}, means);
        tensors["cholesky"] = store({K, D, D}, cholesky);
        return JumpPlugin::ModelFile::fromParts(metadata, tensors).getBytes();
    }

private:
    static JumpPlugin::StoredTensor store(std::vector<int64_t> shape, const std::vector<double>& values) {
        JumpPlugin::StoredTensor tensor;
        tensor.type = JumpPlugin::StoredType::F64;
        tensor.shape = std::move(shape);
        tensor.data = {reinterpret_cast<const char*>(values.data()), 8 * values.size()};
        return tensor;
    }
};

#endif // OPENMMJUMP_TESTS_MIXTUREMODEL_H_
