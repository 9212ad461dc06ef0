#ifndef OPENMMJUMP_NETWORK_UNISIMVOCABULARY_H_
#define OPENMMJUMP_NETWORK_UNISIMVOCABULARY_H_

#include <cstdint>

namespace JumpPlugin {

/**
 * The elements that a UniSim network has embeddings for, numbered from 0: H Li Be B C N O F Na Mg Al Si P S Cl K Ca Mn
 * Fe Co Cu Zn As Se Br I Xe Au Hg.
 */
class UniSimVocabulary {
public:
    static constexpr int64_t Size = 29;
    /** number of hydrogen */
    static constexpr int64_t Hydrogen = 0;

    static bool knows(int64_t atomicNumber);
    /**
     * Number of an element in the vocabulary.
     *
     * @param atom  index of the atom, for the message
     * @throws std::invalid_argument for an element outside the vocabulary, and for an atomic number of 0, which virtual
     * sites have
     */
    static int64_t find(int64_t atomicNumber, int64_t atom);
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_UNISIMVOCABULARY_H_*/
