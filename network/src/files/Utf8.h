#ifndef OPENMMJUMP_NETWORK_UTF8_H_
#define OPENMMJUMP_NETWORK_UTF8_H_

#include <cstddef>
#include <string_view>

namespace JumpPlugin {

/** Bytes of the UTF-8 character that the text begins with; 0 if it does not begin with a valid one. */
inline std::size_t getUtf8Length(std::string_view text) {
    auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    auto follows = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
        return byte(i) >= low && byte(i) <= high;
    };
    const unsigned first = byte(0);
    if (text.empty())
        return 0;
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return follows(1) ? 2 : 0;
    // The narrower second bytes exclude overlong forms, surrogates and what lies beyond U+10FFFF.
    if (first >= 0xe0 && first <= 0xef)
        return follows(1, first == 0xe0 ? 0xa0 : 0x80, first == 0xed ? 0x9f : 0xbf) && follows(2) ? 3 : 0;
    if (first >= 0xf0 && first <= 0xf4)
        return follows(1, first == 0xf0 ? 0x90 : 0x80, first == 0xf4 ? 0x8f : 0xbf) && follows(2) && follows(3) ? 4 : 0;
    return 0;
}

/** Whether a text is UTF-8 throughout. */
inline bool isUtf8(std::string_view text) {
    while (!text.empty()) {
        const std::size_t length = getUtf8Length(text);
        if (length == 0)
            return false;
        text.remove_prefix(length);
    }
    return true;
}

} // namespace JumpPlugin

#endif // OPENMMJUMP_NETWORK_UTF8_H_
