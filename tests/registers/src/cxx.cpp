// Functions that wait while the C++ runtime has a record of an exception.

#include <exception>

namespace {

// A callback that waits, and its argument.
struct Wait {
    void (*call)(void *);
    void *argument;
    void operator()() const { call(argument); }
};

struct WaitsInDestructor {
    Wait wait;
    int *uncaught;
    ~WaitsInDestructor() {
        wait();
        *uncaught = std::uncaught_exceptions();
    }
};

} // namespace

// Throws `number`, waits in the handler, and rethrows. Returns the number that the rethrow throws.
extern "C" int rethrown_after_wait(int number, void (*call)(void *), void *argument) {
    Wait wait{call, argument};
    try {
        try {
            throw number;
        } catch (int) {
            wait();
            throw;
        }
    } catch (int rethrown) {
        return rethrown;
    }
}

// Waits in a destructor that an exception runs. Returns the number of uncaught exceptions after it.
extern "C" int uncaught_after_wait(int number, void (*call)(void *), void *argument) {
    int uncaught = -1;
    try {
        WaitsInDestructor waits{{call, argument}, &uncaught};
        throw number;
    } catch (int caught) {
        return caught == number ? uncaught : -1;
    }
}

// Returns `true` if the current context handles an exception.
extern "C" bool handles_exception() { return std::current_exception() != nullptr; }
