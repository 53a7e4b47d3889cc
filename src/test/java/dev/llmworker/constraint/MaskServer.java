package dev.llmworker.constraint;

import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;

/// Masks for `src/test/constraint/oracle.py`, which compares them with another implementation's. The argument
/// is a file with a vocabulary: the number of tokens, the one that ends answers, and per token its length and
/// bytes; length 65535 is a control token.
///
/// It reads a command a line and answers each:
///
/// | Command | Answer |
/// |---|---|
/// | `schema SPACING JSON`, `regex PATTERN` | `ok` or `error MESSAGE` |
/// | `begin` | `ok` |
/// | `token ID` | `ok` or `no` |
/// | `mask` | the mask's words, little-endian |
/// | `walk SEED FREE MOST` | a random answer in hexadecimal, or `cut` |
final class MaskServer {
    private static final int CONTROL = 0xFFFF;

    private final TokenTrie tokens;
    private final PrintStream out;
    private Constraint constraint;
    private ConstraintState state;

    private MaskServer(TokenTrie tokens, OutputStream out) {
        this.tokens = tokens;
        this.out = new PrintStream(new BufferedOutputStream(out, 1 << 16), false, StandardCharsets.UTF_8);
        constraint = new Constraint(Expression.jsonObject(), tokens);
        state = constraint.begin();
    }

    public static void main(String[] arguments) throws IOException {
        var server = new MaskServer(read(Path.of(arguments[0])), System.out);
        try (var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            for (var line = in.readLine(); line != null; line = in.readLine()) {
                server.answer(line);
            }
        }
    }

    static TokenTrie read(Path file) throws IOException {
        try (var in = new DataInputStream(new java.io.BufferedInputStream(Files.newInputStream(file)))) {
            var size = in.readInt();
            var end = in.readInt();
            var texts = new ArrayList<byte[]>();
            var controls = new BitSet();
            for (var id = 0; id < size; id++) {
                var length = in.readUnsignedShort();
                if (length == CONTROL) {
                    controls.set(id);
                }
                texts.add(in.readNBytes(length == CONTROL ? 0 : length));
            }
            return new TokenTrie(size, texts::get, controls, List.of(end));
        }
    }

    private void answer(String line) {
        var words = line.split(" ", 2);
        switch (words[0]) {
            case "schema" -> {
                var rest = words[1].split(" ", 2);
                compile(new Expression.Json(rest[1], Expression.Spacing.valueOf(rest[0])));
            }
            case "regex" -> compile(new Expression.Pattern(words[1]));
            case "begin" -> {
                state = constraint.begin();
                out.print("ok\n");
            }
            case "token" -> out.print(state.advance(Integer.parseInt(words[1])) ? "ok\n" : "no\n");
            case "mask" -> {
                var mask = state.mask();
                var bytes = ByteBuffer.allocate(8 * mask.length).order(ByteOrder.LITTLE_ENDIAN);
                bytes.asLongBuffer().put(mask);
                out.write(bytes.array(), 0, bytes.capacity());
            }
            case "walk" -> {
                var numbers = words[1].split(" ");
                var random = new Random(Long.parseLong(numbers[0]));
                var walk = new RandomWalk(tokens, random, Integer.parseInt(numbers[1]), Integer.parseInt(numbers[2]));
                var text = walk.run(constraint);
                out.print(text == null ? "cut\n" : HexFormat.of().formatHex(text) + "\n");
            }
            default -> throw new IllegalArgumentException(line);
        }
        out.flush();
    }

    private void compile(Expression expression) {
        try {
            constraint = new Constraint(expression, tokens);
            state = constraint.begin();
            out.print("ok\n");
        } catch (ConstraintException e) {
            out.print("error " + e.getMessage().replace('\n', ' ') + "\n");
        }
    }
}
