package dev.llmworker.text;

import dev.llmworker.weights.content.ModelFileException;
import java.nio.file.Path;
import java.text.Normalizer;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;

/// Where a long text may be cut, so that its pieces have the same tokens as the whole. One call of the tokenizers
/// library cannot be interrupted, so a long text is encoded piece by piece.
///
/// A text is only cut between two characters if all of this holds:
///
/// - No normalizer, and no regular expression of the tokenizer, reads the two together.
/// - The tokenizer splits the text there, or no token joins the two.
/// - No added token lies across the cut.
///
/// If a text has no such place, it is one piece. A text with a piece of more than [#MOST] characters is refused.
///
/// Threading: any thread.
public final class TextPieces {
    /// A piece has at least so many characters. The library takes some milliseconds for it.
    public static final int LEAST = 8192;
    /// A piece has at most so many characters. The library takes up to ten microseconds for each of a word of Chinese
    /// characters, one to three for each of other words, and meanwhile nothing can end its call.
    public static final int MOST = 1 << 18;
    /// Bounds the memory for what is known of pairs of characters.
    private static final int MAX_KNOWN_PAIRS = 1 << 16;
    /// Parts of Korean syllables.
    private static final char FIRST_JAMO = 0x1100;

    private static final char LAST_JAMO = 0x11FF;

    /// An added token.
    ///
    /// @param looksAround whether its attributes say what may stand beside it, or that it takes white space
    public record Name(String text, boolean looksAround) {}

    /// Whether the tokenizer keeps two characters apart.
    private interface Border {
        boolean isBetween(char left, char right);
    }

    private final List<SplitRegex> regexes;
    private final Border border;
    private final int least;
    private final boolean dropsBlank;
    private final Set<String> joined = new HashSet<>();
    private final Set<Character> firsts = new HashSet<>();
    private final Set<Character> avoided = new HashSet<>();
    private final Map<Integer, Boolean> known = new ConcurrentHashMap<>();

    private TextPieces(List<SplitRegex> regexes, Border border, boolean dropsBlank, Collection<Name> added, int least) {
        this.regexes = regexes;
        this.border = border;
        this.dropsBlank = dropsBlank;
        this.least = least;
        for (var name : added) {
            var text = name.text.replace('▁', ' ');
            if (text.isEmpty()) {
                continue;
            }
            firsts.add(text.charAt(0));
            if (name.looksAround) {
                avoided.add(text.charAt(0));
            }
            if (name.looksAround || dropsBlank) {
                avoided.add(text.charAt(text.length() - 1));
            }
            for (var i = 0; i + 1 < text.length(); i++) {
                joined.add(text.substring(i, i + 2));
            }
        }
    }

    /// Texts are never cut.
    ///
    /// @param regexes all expressions of the tokenizer
    /// @throws ModelFileException if an expression may take too much work
    public static TextPieces whole(List<String> regexes, Path file) throws ModelFileException {
        return new TextPieces(read(regexes, file), (_, _) -> false, false, List.of(), LEAST);
    }

    private static List<SplitRegex> read(List<String> regexes, Path file) throws ModelFileException {
        try {
            return regexes.stream().map(SplitRegex::new).toList();
        } catch (IllegalArgumentException e) {
            throw new ModelFileException(file, "the tokenizer's regular expression " + e.getMessage());
        }
    }

    /// For a tokenizer that splits by regular expressions alone: each match is a part of its own.
    ///
    /// @param beforeBlanks whether cuts are only allowed before blanks
    /// @throws ModelFileException if an expression may take too much work
    public static TextPieces byRegexes(
            List<String> regexes, boolean beforeBlanks, Collection<Name> added, int least, Path file)
            throws ModelFileException {
        var all = read(regexes, file);
        Border border = (left, right) -> (right == ' ' || !beforeBlanks)
                && all.stream().noneMatch(regex -> regex.neighbours().readsTogether(left, right))
                && all.stream().anyMatch(regex -> regex.neighbours().takes(right));
        return new TextPieces(all, border, false, added, least);
    }

    /// For a tokenizer that spells a blank `▁` and splits no text. Cuts are before blanks, and after characters
    /// that no token has before a blank.
    ///
    /// @param vocabulary all tokens
    /// @param prepends whether a blank is put before each piece
    public static TextPieces byVocabulary(
            Collection<String> vocabulary, boolean prepends, Collection<Name> added, int least) {
        var joining = new HashSet<Character>();
        for (var token : vocabulary) {
            for (var i = token.indexOf('▁', 1); i > 0; i = token.indexOf('▁', i + 1)) {
                joining.add(token.charAt(i - 1));
            }
        }
        var hasBlank = vocabulary.contains("▁");
        Border border = (left, right) -> hasBlank && right == ' ' && left != ' ' && !joining.contains(left);
        return new TextPieces(List.of(), border, prepends, added, least);
    }

    /// The ends of the pieces of a text, the last one being the text's.
    ///
    /// @throws IllegalArgumentException with a message for the client if a piece is too long
    int[] ends(String text) {
        var ends = IntStream.builder();
        var from = 0;
        do {
            var end = end(text, from);
            if (end - from > MOST) {
                throw new IllegalArgumentException("prompt has " + (end - from)
                        + " characters in a row that this model's tokenizer cannot be given in parts; the limit is "
                        + MOST);
            }
            ends.add(end);
            from = end;
        } while (from < text.length());
        return ends.build().toArray();
    }

    /// The end of the piece that begins at `from`.
    private int end(String text, int from) {
        for (var at = (long) from + least; at + 1 < text.length(); at++) {
            TextEncoder.stopIfInterrupted((int) at);
            if (mayCut(text, (int) at)) {
                return (int) at;
            }
        }
        return text.length();
    }

    /// The piece as the tokenizer must get it. If it puts a blank before each piece, the text's own blank goes.
    String piece(String text, int from, int end) {
        return text.substring(from > 0 && dropsBlank ? from + 1 : from, end);
    }

    /// @throws IllegalArgumentException with a message for the client if the tokenizer cannot take the piece
    void check(String piece) {
        regexes.forEach(regex -> regex.check(piece));
    }

    /// @param at neither the text's first place nor its last
    private boolean mayCut(String text, int at) {
        var left = text.charAt(at - 1);
        var right = text.charAt(at);
        var next = text.charAt(at + 1);
        return mayFollow(next) && !(dropsBlank && firsts.contains(next)) && isBorder(left, right);
    }

    private boolean isBorder(char left, char right) {
        var pair = left << Character.SIZE | right;
        var found = known.get(pair);
        if (found == null) {
            if (known.size() >= MAX_KNOWN_PAIRS) {
                return false;
            }
            found = isPlain(left)
                    && isPlain(right)
                    && !Character.isWhitespace(left)
                    && !avoided.contains(left)
                    && !avoided.contains(right)
                    && !joined.contains("" + left + right)
                    && border.isBetween(left, right);
            known.put(pair, found);
        }
        return found;
    }

    /// Whether a character certainly does not compose with the one before it, and no guard of a name.
    private static boolean mayFollow(char next) {
        return next < 0x300
                || switch (Character.getType(next)) {
                    case Character.NON_SPACING_MARK,
                            Character.COMBINING_SPACING_MARK,
                            Character.ENCLOSING_MARK,
                            Character.SURROGATE,
                            Character.UNASSIGNED -> false;
                    default -> next < FIRST_JAMO || next > LAST_JAMO;
                };
    }

    /// Whether composing normalizers leave a character as it is, whatever is before it, and all versions of Unicode
    /// know it.
    private static boolean isPlain(char character) {
        if (character < 0x80) {
            return character >= ' ' || character == '\n' || character == '\t';
        }
        var isCommon = character >= 0xC0 && character < 0x250
                || character >= 0x391 && character < 0x600
                || character >= 0x621 && character <= 0x64A
                || character >= 0x1E00 && character < 0x1F00
                || character >= 0x3001 && character < 0x9FA6
                || character >= 0xAC00 && character < 0xD7A4;
        return isCommon
                && switch (Character.getType(character)) {
                    case Character.UPPERCASE_LETTER,
                            Character.LOWERCASE_LETTER,
                            Character.OTHER_LETTER,
                            Character.START_PUNCTUATION,
                            Character.END_PUNCTUATION,
                            Character.OTHER_PUNCTUATION -> true;
                    default -> false;
                }
                && Normalizer.isNormalized(Character.toString(character), Normalizer.Form.NFKC);
    }
}
