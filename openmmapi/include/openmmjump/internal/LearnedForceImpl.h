#ifndef OPENMMJUMP_LEARNEDFORCEIMPL_H_
#define OPENMMJUMP_LEARNEDFORCEIMPL_H_

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "openmm/internal/CustomCPPForceImpl.h"
#include "openmmjump/LearnedForce.h"
#include "openmmjump/internal/NetworkForce.h"
#include "openmmjump/internal/WholeMolecules.h"

namespace JumpPlugin {

/** A LearnedForce in a Context. OpenMM's CustomCPPForceImpl brings positions and forces to and from every Platform. */
class LearnedForceImpl : public OpenMM::CustomCPPForceImpl {
public:
    explicit LearnedForceImpl(const LearnedForce& owner);
    void initialize(OpenMM::ContextImpl& context) override;
    const OpenMM::Force& getOwner() const override { return owner; }
    double computeForce(OpenMM::ContextImpl& context, const std::vector<OpenMM::Vec3>& positions,
                        std::vector<OpenMM::Vec3>& forces) override;
    std::map<std::string, double> getDefaultParameters() override;
    /** So that OpenMM keeps the molecules of the graph whole. */
    std::vector<std::pair<int, int>> getBondedParticles() const override;

private:
    const LearnedForce& owner;
    WholeMolecules wholeMolecules;
    std::unique_ptr<NetworkForce> network;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_LEARNEDFORCEIMPL_H_
