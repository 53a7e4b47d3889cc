package report;

/// Text as HTML wants it.
public final class Html {
    private Html() {}

    public static String escaped(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;");
    }

    /// An element around text.
    public static String element(String name, String classes, String text) {
        return "<" + name + (classes.isEmpty() ? "" : " class=\"" + classes + "\"") + ">" + escaped(text) + "</" + name
                + ">";
    }
}
