// The main function of the C++ test programs.
#include <gtest/gtest.h>

#include <filesystem>

/** What CTest takes for "skipped" where a device may be missing, and for a failure elsewhere. */
constexpr int AllSkipped = 77;

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    // Paths in the tests are relative to the build folder, so that the same object file serves a clone in another
    // folder.
    std::filesystem::current_path(JUMP_BUILD_DIR);
    const int status = RUN_ALL_TESTS();
    const testing::UnitTest& tests = *testing::UnitTest::GetInstance();
    const bool nothingTested = tests.skipped_test_count() > 0 && tests.successful_test_count() == 0;
    return status == 0 && nothingTested ? AllSkipped : status;
}
