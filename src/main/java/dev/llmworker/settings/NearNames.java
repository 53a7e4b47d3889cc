package dev.llmworker.settings;

/// Says whether a name is probably a misspelling of another.
public final class NearNames {
    private NearNames() {}

    /// Whether two letters are swapped, or one is added, missing or another.
    public static boolean areNear(String one, String other) {
        return areSwapped(one, other) || isOneEdit(one, other);
    }

    /// Whether two letters that follow each other are swapped, and all others are the same.
    static boolean areSwapped(String one, String other) {
        var at = commonPrefix(one, other);
        return one.length() == other.length()
                && at + 1 < one.length()
                && one.charAt(at) == other.charAt(at + 1)
                && one.charAt(at + 1) == other.charAt(at)
                && one.substring(at + 2).equals(other.substring(at + 2));
    }

    /// Whether a letter is added, missing or another one.
    static boolean isOneEdit(String one, String other) {
        var longer = one.length() >= other.length() ? one : other;
        var shorter = one.length() >= other.length() ? other : one;
        var at = commonPrefix(longer, shorter);
        return switch (longer.length() - shorter.length()) {
            case 0 -> at < longer.length() && longer.substring(at + 1).equals(shorter.substring(at + 1));
            case 1 -> longer.substring(at + 1).equals(shorter.substring(at));
            default -> false;
        };
    }

    private static int commonPrefix(String one, String other) {
        var at = 0;
        while (at < Math.min(one.length(), other.length()) && one.charAt(at) == other.charAt(at)) {
            at++;
        }
        return at;
    }
}
