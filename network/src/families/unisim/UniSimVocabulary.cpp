#include "openmmjump/network/families/unisim/UniSimVocabulary.h"
#include <algorithm>
#include <array>
#include <stdexcept>

using namespace JumpPlugin;

namespace {

constexpr std::array<int64_t, UniSimVocabulary::Size> Elements = {
    1, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 19, 20, 25, 26, 27, 29, 30, 33, 34, 35, 53, 54, 79, 80};

constexpr std::array<const char*, 118> Symbols = {
    "H",  "He", "Li", "Be", "B",  "C",  "N",  "O",  "F",  "Ne", "Na", "Mg", "Al", "Si", "P",  "S",  "Cl",
    "Ar", "K",  "Ca", "Sc", "Ti", "V",  "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Ga", "Ge", "As", "Se",
    "Br", "Kr", "Rb", "Sr", "Y",  "Zr", "Nb", "Mo", "Tc", "Ru", "Rh", "Pd", "Ag", "Cd", "In", "Sn", "Sb",
    "Te", "I",  "Xe", "Cs", "Ba", "La", "Ce", "Pr", "Nd", "Pm", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er",
    "Tm", "Yb", "Lu", "Hf", "Ta", "W",  "Re", "Os", "Ir", "Pt", "Au", "Hg", "Tl", "Pb", "Bi", "Po", "At",
    "Rn", "Fr", "Ra", "Ac", "Th", "Pa", "U",  "Np", "Pu", "Am", "Cm", "Bk", "Cf", "Es", "Fm", "Md", "No",
    "Lr", "Rf", "Db", "Sg", "Bh", "Hs", "Mt", "Ds", "Rg", "Cn", "Nh", "Fl", "Mc", "Lv", "Ts", "Og"};

} // namespace

bool UniSimVocabulary::knows(int64_t atomicNumber) {
    return std::binary_search(Elements.begin(), Elements.end(), atomicNumber);
}

int64_t UniSimVocabulary::find(int64_t atomicNumber, int64_t atom) {
    const auto found = std::lower_bound(Elements.begin(), Elements.end(), atomicNumber);
    if (found != Elements.end() && *found == atomicNumber)
        return found - Elements.begin();
    const std::string start = "UniSim: atom " + std::to_string(atom) + " has the atomic number ";
    if (atomicNumber == 0)
        throw std::invalid_argument(start + "0: virtual sites are no atoms of a model.");
    const bool named = atomicNumber > 0 && atomicNumber <= static_cast<int64_t>(Symbols.size());
    throw std::invalid_argument(start + std::to_string(atomicNumber) +
                                (named ? std::string(" (") + Symbols[atomicNumber - 1] + ")" : "") +
                                ", which is not among the 29 elements that UniSim knows.");
}
