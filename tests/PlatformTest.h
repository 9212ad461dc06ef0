#ifndef OPENMMJUMP_TESTS_PLATFORMTEST_H_
#define OPENMMJUMP_TESTS_PLATFORMTEST_H_

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "Devices.h"
#include "OpenMM.h"

/**
 * A test on the platform that the environment variable JUMP_TEST_PLATFORM names (default: Reference), in the precision
 * of JUMP_TEST_PRECISION (single, mixed or double) where the platform has a choice. Skipped, with the reason, where
 * there is no device with a driver, or OpenMM has no such platform; one that is there and fails to make a Context fails
 * the test.
 */
class PlatformTest : public testing::Test {
protected:
    static void SetUpTestSuite() {
        OpenMM::Platform::loadPluginsFromDirectory(JUMP_OPENMM_PLUGIN_DIR);
        OpenMM::Platform::loadPluginsFromDirectory(JUMP_PLUGIN_DIR);
        obstacle = findObstacle();
        if (obstacle.empty() && hasPrecision())
            getPlatform().setPropertyDefaultValue("Precision", getPrecision());
    }
    void SetUp() override {
        if (!obstacle.empty() && !isInstalled())
            GTEST_SKIP() << "no test on " << getName() << ": " << obstacle;
        if (!obstacle.empty())
            FAIL() << "no Context on " << getName() << ": " << obstacle;
    }
    static OpenMM::Platform& getPlatform() { return OpenMM::Platform::getPlatformByName(getName()); }
    static bool hasPrecision() { return getName() == "OpenCL" || getName() == "CUDA"; }
    static std::string getName() { return getSetting("JUMP_TEST_PLATFORM", "Reference"); }
    static std::string getPrecision() { return getSetting("JUMP_TEST_PRECISION", "single"); }
    /** The precision to which the platform keeps positions, in nm. */
    static double getTolerance() {
        if (hasPrecision())
            return getPrecision() == "single" ? 1e-5 : 1e-10;
        return getName() == "Reference" ? 1e-12 : 1e-5;
    }
    static void expectNear(const std::vector<OpenMM::Vec3>& expected, const std::vector<OpenMM::Vec3>& found,
                           double tolerance) {
        ASSERT_EQ(expected.size(), found.size());
        for (size_t i = 0; i < expected.size(); i++)
            for (int k = 0; k < 3; k++)
                ASSERT_NEAR(expected[i][k], found[i][k], tolerance) << "particle " << i;
    }
    /** An OpenMMException whose message holds the words. */
    static void expectError(const std::function<void()>& action, const std::string& words) {
        try {
            action();
            FAIL() << "no exception; expected: " << words;
        } catch (const OpenMM::OpenMMException& error) {
            EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
        }
    }

private:
    /** Whether both the platform and a device for it are there, so that a Context must be possible. */
    static bool isInstalled() {
        const std::string library = JUMP_OPENMM_PLUGIN_DIR "/libOpenMM" + getName() + ".so";
        return !hasPrecision() || (std::filesystem::exists(library) && JumpTests::hasDevice(getName()));
    }
    /** Why there can be no Context on the platform; empty if there can. */
    static std::string findObstacle() {
        try {
            OpenMM::System system;
            system.addParticle(1.0);
            OpenMM::VerletIntegrator integrator(0.001);
            OpenMM::Context context(system, integrator, getPlatform());
            return "";
        } catch (const OpenMM::OpenMMException& error) {
            return describeLoading() + error.what();
        }
    }
    inline static std::string obstacle;

    static std::string getSetting(const char* variable, const char* fallback) {
        const char* value = std::getenv(variable);
        return value == nullptr ? fallback : value;
    }
    /** What OpenMM says about loading the platform. */
    static std::string describeLoading() {
        for (const std::string& failure : OpenMM::Platform::getPluginLoadFailures())
            if (failure.find("libOpenMM" + getName() + ".so") != std::string::npos)
                return failure + "; ";
        return "";
    }
};

#endif // OPENMMJUMP_TESTS_PLATFORMTEST_H_
