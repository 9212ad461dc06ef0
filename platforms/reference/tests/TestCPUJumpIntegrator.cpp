#define JUMP_TEST_PLATFORM "CPU"
#include "TestJumpIntegrator.h"
