#ifndef OPENMMJUMP_SAMPLERSETTINGS_H_
#define OPENMMJUMP_SAMPLERSETTINGS_H_

#include <vector>

#include "openmmjump/internal/windowsExportJump.h"

namespace JumpPlugin {

/** How the sampler runs its network. All are read when the Context is created or reinitialized. */
struct OPENMM_EXPORT_JUMP SamplerSettings {
    /** Times of the sampler's steps, strictly increasing from 0 to 1; empty for the model's own. */
    std::vector<double> timeGrid = {};
    /** Whether the network runs in double precision. */
    bool useDoublePrecision = false;
    /**
     * On the CUDA platform, record the sampler as a CUDA graph at the first jump and replay it from then on: a small
     * network spends most of its time on launching kernels, and a replay is one launch. The jumps stay the same. Other
     * platforms take no notice.
     */
    bool useCudaGraphs = false;
    /** CPU threads of the network; 0 chooses: one for small molecules, torch's number for large ones. */
    int threads = 0;

    /** @throws OpenMM::OpenMMException naming the first setting that is out of its range */
    void validate() const;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_SAMPLERSETTINGS_H_
