#define JUMP_TEST_PLATFORM "Reference"
#include "TestJumpIntegrator.h"
