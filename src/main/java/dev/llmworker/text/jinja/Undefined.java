package dev.llmworker.text.jinja;

/// A variable, attribute or element that is not there: empty when printed, an error when anything else is done with it.
///
/// @param complaint what that error says
record Undefined(String complaint) {
    static Undefined variable(String name) {
        return new Undefined("'" + name + "' is undefined");
    }

    JinjaException exception() {
        return new JinjaException(complaint);
    }
}
