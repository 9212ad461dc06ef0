#include "openmmjump/network/files/FileError.h"

#include "files/Utf8.h"

using std::string;
using std::string_view;

namespace JumpPlugin {

namespace {

string escapeByte(unsigned char byte) {
    const char digits[] = "0123456789abcdef";
    return string("\\x") + digits[byte >> 4] + digits[byte & 15];
}

string escape(string_view text) {
    string result;
    while (!text.empty()) {
        std::size_t length = getUtf8Length(text);
        bool plain = length > 0 && static_cast<unsigned char>(text[0]) >= 0x20 && text[0] != 0x7f;
        // U+0080 to U+009F are control characters too, and U+2028/2029 break lines.
        if (length == 2 && text[0] == '\xc2' && static_cast<unsigned char>(text[1]) < 0xa0)
            plain = false;
        if (length == 3 && (text.starts_with("\xe2\x80\xa8") || text.starts_with("\xe2\x80\xa9")))
            plain = false;
        length = plain ? length : 1;
        result += plain ? string(text.substr(0, length)) : escapeByte(static_cast<unsigned char>(text[0]));
        text.remove_prefix(length);
    }
    return result;
}

/** Whether a cut before this byte would split a character. */
bool isContinuation(char byte) {
    return (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
}

} // namespace

FileError::FileError(const string& file, const string& fault) :
    std::runtime_error("Cannot use " + quote(file) + ": " + fault + (fault.ends_with('.') ? "" : ".")) {}

string FileError::quote(string_view text) {
    const std::size_t head = 200, tail = 150; // long enough for any sensible path
    if (text.size() <= head + tail)
        return "'" + escape(text) + "'";
    std::size_t headEnd = head, tailBegin = text.size() - tail;
    // A character has at most three continuation bytes: text that is not UTF-8 is not searched further.
    for (int i = 0; i < 3 && isContinuation(text[headEnd]); i++)
        headEnd--;
    for (int i = 0; i < 3 && isContinuation(text[tailBegin]); i++)
        tailBegin++;
    return "'" + escape(text.substr(0, headEnd)) + "..." + escape(text.substr(tailBegin)) + "'";
}

} // namespace JumpPlugin
