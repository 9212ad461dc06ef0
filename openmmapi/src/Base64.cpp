#include "openmmjump/internal/Base64.h"

#include <array>
#include <cstdint>

#include "openmm/OpenMMException.h"

using namespace std;

namespace JumpPlugin {

namespace {

const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

array<int, 256> makeDecodeTable() {
    array<int, 256> table;
    table.fill(-1);
    for (int i = 0; i < 64; i++)
        table[(unsigned char)alphabet[i]] = i;
    return table;
}

} // namespace

string encodeBase64(const string& bytes) {
    string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (size_t i = 0; i < bytes.size(); i += 3) {
        const size_t count = min<size_t>(3, bytes.size() - i);
        uint32_t group = 0;
        for (size_t j = 0; j < 3; j++)
            group = (group << 8) | (j < count ? (unsigned char)bytes[i + j] : 0);
        for (size_t j = 0; j < 4; j++)
            text += (j <= count ? alphabet[(group >> (18 - 6 * j)) & 63] : '=');
    }
    return text;
}

string decodeBase64(const string& text) {
    static const array<int, 256> table = makeDecodeTable();
    const size_t end = text.find_last_not_of('=') + 1; // npos + 1 = 0: nothing but padding
    if (text.size() % 4 != 0 || text.size() - end > 2)
        throw OpenMM::OpenMMException("The embedded model is not valid base64 text");
    string bytes;
    bytes.reserve(text.size() / 4 * 3);
    uint32_t group = 0;
    int bits = 0;
    for (size_t i = 0; i < end; i++) {
        const int value = table[(unsigned char)text[i]];
        if (value < 0)
            throw OpenMM::OpenMMException("The embedded model is not valid base64 text");
        group = (group << 6) | value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes += (char)((group >> bits) & 255);
        }
    }
    return bytes;
}

} // namespace JumpPlugin
