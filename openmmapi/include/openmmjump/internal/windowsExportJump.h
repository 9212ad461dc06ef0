#ifndef OPENMMJUMP_WINDOWSEXPORTJUMP_H_
#define OPENMMJUMP_WINDOWSEXPORTJUMP_H_

/* Marks what libOpenMMJump exports. Only ELF platforms are built today; the name follows OpenMM's plugins. */
#define OPENMM_EXPORT_JUMP __attribute__((visibility("default")))

#endif // OPENMMJUMP_WINDOWSEXPORTJUMP_H_
