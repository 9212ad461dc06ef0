#ifndef OPENMMJUMP_RAWSTREAM_H_
#define OPENMMJUMP_RAWSTREAM_H_

#include <istream>
#include <ostream>
#include <type_traits>

namespace JumpPlugin {

/** Write the bytes of a number or an array of numbers, for a checkpoint. */
template <class Value>
void writeRaw(std::ostream& stream, const Value& value) {
    stream.write((const char*)&value, sizeof(value));
}

/** Read what writeRaw() wrote. The stream fails if it is too short. */
template <class Value>
Value readRaw(std::istream& stream) {
    std::remove_const_t<Value> value{};
    stream.read((char*)&value, sizeof(value));
    return value;
}

} // namespace JumpPlugin

#endif // OPENMMJUMP_RAWSTREAM_H_
