package dev.llmworker.weights;

import java.io.IOException;
import java.nio.file.Path;
import java.util.regex.Pattern;

/// A model file that is damaged, hostile or not supported. The message is for the operator: the file's name, what is
/// wrong, the figure and the limit; it has no directory in it.
public final class ModelFileException extends IOException {
    private static final int MAX_MESSAGE = 900;

    static final Pattern UNPRINTABLE = Pattern.compile("[\\p{C}\\p{Zl}\\p{Zp}]");

    /// @param problem what is wrong, to be read after the file's name and a colon
    public ModelFileException(Path file, String problem) {
        super(printable((file.getFileName() == null ? file : file.getFileName()) + ": " + problem));
    }

    /// What a hostile file says is quoted in messages; it must not forge a line of a log there, nor flood it.
    private static String printable(String message) {
        var shown = message.length() > MAX_MESSAGE ? message.substring(0, MAX_MESSAGE) + "…" : message;
        return UNPRINTABLE.matcher(shown).replaceAll("?");
    }
}
