#ifndef OPENMMJUMP_NETWORKBRIDGE_H_
#define OPENMMJUMP_NETWORKBRIDGE_H_

#include <ATen/Parallel.h>

#include "openmm/OpenMMException.h"
#include "openmmjump/MolecularGraph.h"
#include "openmmjump/network/Torch.h"
#include "openmmjump/network/files/FileError.h"
#include "openmmjump/network/graph/MoleculeBatch.h"

namespace JumpPlugin {

// What stands between OpenMM's classes and the network's, for the few files that know both.

/** Call the network and convert its exceptions to OpenMM's. */
template <class Action>
auto translateErrors(const Action& action) {
    try {
        return action();
    } catch (const c10::Error& error) {
        throw OpenMM::OpenMMException(std::string("The network failed: ") + error.what_without_backtrace());
    } catch (const std::invalid_argument& error) {
        throw OpenMM::OpenMMException(std::string("The network cannot be used: ") + error.what());
    } catch (const FileError& error) {
        throw OpenMM::OpenMMException(error.what());
    }
}

/** The model atoms of a graph as the network sees them. */
MoleculeBatch makeBatch(const MolecularGraph& graph);

/** Use a number of threads within a scope, then go back to the number before. */
class ThreadScope {
public:
    /** Below this many model atoms a second thread costs more than it helps. */
    static constexpr int SmallMolecule = 100;

    explicit ThreadScope(int threads) : before(at::get_num_threads()) {
        if (threads != before)
            at::set_num_threads(threads);
    }
    ~ThreadScope() {
        if (at::get_num_threads() != before)
            at::set_num_threads(before);
    }
    ThreadScope(const ThreadScope&) = delete;
    /** The number of threads asked for; if that is 0, the number for so many atoms. */
    static int choose(int threads, int64_t numAtoms) {
        if (threads != 0)
            return threads;
        return numAtoms < SmallMolecule ? 1 : at::get_num_threads();
    }

private:
    int before;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_NETWORKBRIDGE_H_
