package dev.llmworker.testing;

import dev.llmworker.engine.InProcessGenerator;
import dev.llmworker.engine.LanguageModel;
import dev.llmworker.generation.Readiness;
import dev.llmworker.model.DecoderDescription;
import dev.llmworker.model.decoder.DecodeBatch;
import dev.llmworker.model.decoder.Decoder;
import dev.llmworker.model.decoder.PromptPart;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.stats.EngineStats;
import dev.llmworker.text.Tokenizer;
import dev.llmworker.text.chat.ChatTemplate;
import dev.llmworker.text.chat.JinjaChatTemplate;
import dev.llmworker.text.chat.PromptEncoder;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// A model whose answers a test writes, behind the real engine: the real templates, formats and constraints. Its tokens
/// are bytes, control tokens, and the texts that a test adds.
///
/// If a constraint does not allow what the script says, the model takes the first token that it does allow.
/// From then on it follows the script only as far as what it has written is the script's beginning.
public final class ScriptedModel {
    private static final int CONTEXT = 8192;
    private static final int SLOTS = 4;

    private final List<byte[]> tokens = new ArrayList<>();
    private final Map<String, Integer> controls = new LinkedHashMap<>();
    private final int end;
    private final UnaryOperator<String> script;
    private boolean addsLeadingSpace;

    /// @param end the control token that ends an answer
    /// @param controls the other control tokens
    /// @param texts tokens of several bytes
    /// @param script from a prompt as text, in which control tokens are their names, to the answer
    public ScriptedModel(String end, List<String> controls, List<String> texts, UnaryOperator<String> script) {
        for (var i = 0; i < 256; i++) {
            tokens.add(new byte[] {(byte) i});
        }
        texts.forEach(text -> tokens.add(text.getBytes(StandardCharsets.UTF_8)));
        this.end = tokens.size();
        this.script = script;
        addControl(end);
        controls.forEach(this::addControl);
    }

    private void addControl(String name) {
        controls.put(name, tokens.size());
        tokens.add(new byte[0]);
    }

    /// Its tokenizer puts a space before each text, as SentencePiece does.
    public ScriptedModel withLeadingSpace() {
        addsLeadingSpace = true;
        return this;
    }

    /// A running engine with this model.
    ///
    /// @param template a chat template's source
    public InProcessGenerator start(String template) {
        return start(JinjaChatTemplate.of(template, Map.of("bos_token", "", "eos_token", ""), JinjaChatTemplate.AUTO));
    }

    public InProcessGenerator start(@Nullable ChatTemplate template) {
        var tokenizer = new ByteTokenizer();
        var generator = InProcessGenerator.start(
                () -> new LanguageModel(new ScriptedDecoder(), tokenizer, new PromptEncoder(tokenizer, template)),
                new InProcessGenerator.Limits(null, Duration.ofMinutes(1)),
                System::nanoTime,
                new EngineStats(),
                _ -> {});
        Await.until("the model is loaded", () -> !(generator.readiness() instanceof Readiness.Loading));
        return generator;
    }

    public Tokenizer tokenizer() {
        return new ByteTokenizer();
    }

    private String shown(int[] ids, int length) {
        var names = new LinkedHashMap<Integer, String>();
        controls.forEach((name, id) -> names.put(id, name));
        var text = new ByteArrayOutputStream();
        for (var i = 0; i < length; i++) {
            var name = names.get(ids[i]);
            text.writeBytes(name == null ? tokens.get(ids[i]) : name.getBytes(StandardCharsets.UTF_8));
        }
        return text.toString(StandardCharsets.UTF_8);
    }

    private final class ByteTokenizer implements Tokenizer {
        @Override
        public int[] encodeText(String text) {
            return encode(text, '\uFFFF', false);
        }

        @Override
        public int[] encodeWithControlTokens(String text) {
            return encode(text, '\uFFFF', true);
        }

        @Override
        public int[] encodeMarked(String text, char mark) {
            return encode(text, mark, true);
        }

        private int[] encode(String text, char mark, boolean hasControls) {
            var ids = new ArrayList<Integer>();
            for (var i = 0; i < text.length(); ) {
                var at = i;
                if (text.charAt(i) == mark) {
                    i++;
                    continue;
                }
                var isPlain = i > 0 && text.charAt(i - 1) == mark;
                var control = hasControls && !isPlain
                        ? controls.keySet().stream()
                                .filter(name -> text.startsWith(name, at))
                                .findFirst()
                        : Optional.<String>empty();
                if (control.isPresent()) {
                    ids.add(controls.get(control.get()));
                    i += control.get().length();
                    continue;
                }
                var rest = text.substring(i).getBytes(StandardCharsets.UTF_8);
                var best = longest(rest);
                ids.add(best);
                // Tokens of several bytes are whole characters.
                if (tokens.get(best).length == 1 && (rest[0] & 0x80) != 0) {
                    var character = Character.toString(text.codePointAt(i)).getBytes(StandardCharsets.UTF_8);
                    for (var b = 1; b < character.length; b++) {
                        ids.add(character[b] & 0xFF);
                    }
                    i += Character.charCount(text.codePointAt(i));
                } else {
                    i += new String(tokens.get(best), StandardCharsets.UTF_8).length();
                }
            }
            return ids.stream().mapToInt(id -> id).toArray();
        }

        private int longest(byte[] rest) {
            var best = rest[0] & 0xFF;
            for (var id = 256; id < end; id++) {
                var one = tokens.get(id);
                if (one.length > tokens.get(best).length
                        && one.length <= rest.length
                        && Arrays.equals(one, 0, one.length, rest, 0, one.length)) {
                    best = id;
                }
            }
            return best;
        }

        @Override
        public byte[] bytes(int id) {
            return tokens.get(id);
        }

        @Override
        public boolean isEndOfSequence(int id) {
            return id == end;
        }

        @Override
        public boolean addsLeadingSpace() {
            return addsLeadingSpace;
        }

        @Override
        public int vocabularySize() {
            return tokens.size();
        }

        @Override
        public OptionalInt beginOfSequence() {
            return OptionalInt.empty();
        }

        @Override
        public Map<String, Integer> controlTokens() {
            return controls;
        }
    }

    private final class ScriptedDecoder implements Decoder {
        private final int[][] cache = new int[SLOTS][CONTEXT];
        private final int[] promptLength = new int[SLOTS];
        /// Whether a slot has a whole prompt.
        private final boolean[] answers = new boolean[SLOTS];

        @Override
        public DecoderDescription description() {
            return new DecoderDescription(
                    "scripted",
                    "scripted",
                    tokens.size(),
                    CONTEXT,
                    SLOTS,
                    "none",
                    "none",
                    0,
                    Map.of(),
                    0,
                    SLOTS * CONTEXT);
        }

        @Override
        public void prefill(int slot, int[] ids, int start) {
            System.arraycopy(ids, 0, cache[slot], start, ids.length);
            promptLength[slot] = start + ids.length;
            answers[slot] = false;
        }

        @Override
        public int prefillLast(int slot, int[] ids, int start, SamplingParameters sampling) {
            prefill(slot, ids, start);
            answers[slot] = true;
            return next(slot, promptLength[slot], null);
        }

        @Override
        public int[] decode(DecodeBatch batch, int steps) {
            var chosen = new int[batch.rows()];
            for (var row = 0; row < chosen.length; row++) {
                var position = batch.position(row);
                cache[row][position] = batch.token(row);
                var history = batch.history(row);
                if (!answers[row] || position < promptLength[row]) {
                    // The last token of a prompt may go into a decode step, and all before it may be cached.
                    promptLength[row] = position + 1;
                    answers[row] = true;
                }
                chosen[row] = next(row, position + 1, history == null ? null : history.allowed());
            }
            return chosen;
        }

        @Override
        public int[] decodeBeside(DecodeBatch batch, List<PromptPart> parts) {
            parts.forEach(part -> prefill(part.slot(), part.ids(), part.start()));
            return decode(batch, 1);
        }

        private int next(int slot, int length, long @Nullable [] allowed) {
            var answer =
                    new ByteTokenizer().encodeWithControlTokens(script.apply(shown(cache[slot], promptLength[slot])));
            var written = length - promptLength[slot];
            var follows = written <= answer.length
                    && Arrays.equals(answer, 0, written, cache[slot], promptLength[slot], length);
            var wanted = !follows || written == answer.length ? end : answer[written];
            if (allowed == null || isIn(allowed, wanted)) {
                return wanted;
            }
            for (var id = 0; id < tokens.size(); id++) {
                if (isIn(allowed, id)) {
                    return id;
                }
            }
            throw new AssertionError("no token is allowed");
        }

        private static boolean isIn(long[] mask, int id) {
            return (mask[id >> 6] >>> id & 1) != 0;
        }

        @Override
        public void copySlot(int from, int to, int length) {
            System.arraycopy(cache[from], 0, cache[to], 0, length);
            promptLength[to] = promptLength[from];
            answers[to] = answers[from];
        }

        @Override
        public void swapSlots(int a, int b, int length) {
            var tokens = cache[a];
            cache[a] = cache[b];
            cache[b] = tokens;
            var prompt = promptLength[a];
            promptLength[a] = promptLength[b];
            promptLength[b] = prompt;
            var answering = answers[a];
            answers[a] = answers[b];
            answers[b] = answering;
        }

        @Override
        public boolean deterministic() {
            return false;
        }

        @Override
        public void close() {}
    }
}
