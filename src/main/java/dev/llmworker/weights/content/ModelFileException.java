package dev.llmworker.weights.content;

import java.io.IOException;
import java.nio.file.Path;
import java.util.regex.Pattern;

/// Is thrown if a model file is damaged, hostile or not supported. The operator's message has the file's name
/// without its directory, the problem, the value and the limit.
public final class ModelFileException extends IOException {
    private static final int MAX_MESSAGE = 900;

    /// Characters that no message has.
    public static final Pattern UNPRINTABLE = Pattern.compile("[\\p{C}\\p{Zl}\\p{Zp}]");

    /// @param problem the text after the file's name and a colon
    public ModelFileException(Path file, String problem) {
        super(printable((file.getFileName() == null ? file : file.getFileName()) + ": " + problem));
    }

    /// Messages quote what a hostile file says. It must not forge a line of the log, nor flood it.
    private static String printable(String message) {
        var shown = message.length() > MAX_MESSAGE ? message.substring(0, MAX_MESSAGE) + "…" : message;
        return UNPRINTABLE.matcher(shown).replaceAll("?");
    }
}
