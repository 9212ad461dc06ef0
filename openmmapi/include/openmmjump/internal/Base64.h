#ifndef OPENMMJUMP_BASE64_H_
#define OPENMMJUMP_BASE64_H_

#include <string>

namespace JumpPlugin {

/** Write bytes as base64 text (RFC 4648, with padding). */
std::string encodeBase64(const std::string& bytes);

/**
 * Read base64 text.
 *
 * @throws OpenMM::OpenMMException if the text is not base64
 */
std::string decodeBase64(const std::string& text);

} // namespace JumpPlugin

#endif // OPENMMJUMP_BASE64_H_
