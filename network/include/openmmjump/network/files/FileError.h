#ifndef OPENMMJUMP_NETWORK_FILEERROR_H_
#define OPENMMJUMP_NETWORK_FILEERROR_H_

#include <stdexcept>
#include <string>
#include <string_view>

namespace JumpPlugin {

/**
 * A model file that cannot be used. what() is one plain sentence, on one line, that names the file and the fault.
 */
class FileError : public std::runtime_error {
public:
    /**
     * @param file   path or name of the file
     * @param fault  what is wrong with it, without a full stop: "it ends in the middle of the header"
     */
    FileError(const std::string& file, const std::string& fault);
    /**
     * Text from a file made fit for a message: in single quotes, control characters and bytes that are not UTF-8
     * escaped, and the middle left out where it is longer than a line.
     */
    static std::string quote(std::string_view text);
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_NETWORK_FILEERROR_H_
