package client;

/// An option of the command line.
///
/// @param value what stands for its value in the help; empty for a switch, which has none
/// @param absent the value where it is not given; empty for none
public record Option(String name, String value, String absent, String help) {
    public static Option of(String name, String value, String absent, String help) {
        return new Option(name, value, absent, help);
    }

    public static Option flag(String name, String help) {
        return new Option(name, "", "", help);
    }

    boolean isFlag() {
        return value.isEmpty();
    }

    String line() {
        var left = "  " + name + (isFlag() ? "" : " " + value);
        var line = left.length() < 24 ? "%-24s".formatted(left) : left + "\n" + " ".repeat(24);
        return line + help + (absent.isEmpty() ? "" : " (" + absent + ")");
    }
}
