#ifndef OPENMMJUMP_DEVICEARRAYS_H_
#define OPENMMJUMP_DEVICEARRAYS_H_

#include <algorithm>
#include <string>
#include <vector>

#include "openmm/Vec3.h"
#include "openmm/common/ComputeArray.h"
#include "openmm/common/ComputeContext.h"
#include "openmm/common/ComputeKernel.h"

namespace JumpPlugin {

/**
 * Makes arrays and arguments in the precision of a device. "Mixed" numbers are double in mixed and double precision,
 * as the type `mixed` of the kernels is.
 */
class DeviceArrays {
public:
    explicit DeviceArrays(OpenMM::ComputeContext& cc) : cc(cc) {}
    bool mixedIsDouble() const { return cc.getUseDoublePrecision() || cc.getUseMixedPrecision(); }
    /** Make an array of vectors of `width` mixed numbers, set to 0. An array has at least one element. */
    void createMixed(OpenMM::ComputeArray& array, size_t size, int width, const std::string& name) const {
        const int elementSize = width * (mixedIsDouble() ? sizeof(double) : sizeof(float));
        array.initialize(cc, std::max<size_t>(size, 1), elementSize, name);
        cc.clearBuffer(array);
    }
    /** Make an array of vectors of `width` mixed numbers that holds the values. */
    void uploadMixed(OpenMM::ComputeArray& array, const std::vector<double>& values, int width,
                     const std::string& name) const {
        createMixed(array, values.size() / width, width, name);
        if (values.empty())
            return;
        if (mixedIsDouble())
            array.upload(static_cast<const void*>(values.data()));
        else
            array.upload(static_cast<const void*>(std::vector<float>(values.begin(), values.end()).data()));
    }
    /** Read an array of vectors of mixed numbers. */
    void downloadMixed(OpenMM::ComputeArray& array, double* values) const {
        if (mixedIsDouble()) {
            array.download(static_cast<void*>(values));
            return;
        }
        std::vector<float> floats(array.getSize() * array.getElementSize() / sizeof(float));
        array.download(static_cast<void*>(floats.data()));
        std::copy(floats.begin(), floats.end(), values);
    }
    /** Make an array that holds the values, which are integers or vectors of such. */
    template <class T>
    void upload(OpenMM::ComputeArray& array, const std::vector<T>& values, const std::string& name) const {
        array.initialize<T>(cc, std::max<size_t>(values.size(), 1), name);
        if (!values.empty())
            array.upload(values);
    }
    /** Set a mixed number among the arguments of a kernel. */
    void setMixed(OpenMM::ComputeKernel kernel, int index, double value) const {
        if (mixedIsDouble())
            kernel->setArg(index, value);
        else
            kernel->setArg(index, (float)value);
    }
    /** Set three arguments of type mixed4 to the box vectors. */
    void setBox(OpenMM::ComputeKernel kernel, int index, const OpenMM::Vec3* box) const {
        for (int i = 0; i < 3; i++) {
            if (mixedIsDouble())
                kernel->setArg(index + i, OpenMM::mm_double4(box[i][0], box[i][1], box[i][2], 0));
            else
                kernel->setArg(index + i, OpenMM::mm_float4((float)box[i][0], (float)box[i][1], (float)box[i][2], 0));
        }
    }
    /** Add arguments whose values come later. */
    static void addPlaces(OpenMM::ComputeKernel kernel, int count) {
        for (int i = 0; i < count; i++)
            kernel->addArg();
    }
    /** Launch a kernel for so many elements; nothing for none. */
    static void execute(OpenMM::ComputeKernel kernel, int elements) {
        if (elements > 0)
            kernel->execute(elements);
    }

private:
    OpenMM::ComputeContext& cc;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_DEVICEARRAYS_H_
