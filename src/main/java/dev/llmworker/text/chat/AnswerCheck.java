package dev.llmworker.text.chat;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.llmworker.constraint.Constraint;
import dev.llmworker.constraint.ConstraintState;
import dev.llmworker.constraint.Constraints;
import dev.llmworker.constraint.Expression;
import dev.llmworker.constraint.TokenTrie;
import dev.llmworker.text.WholeCharacters;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Says whether a text is what a format asks for. This worker's own engine writes nothing else, but another server may,
/// and a stop sequence may end an answer early. JSON is compared by its values: the order of members, white space, and
/// the ways to write a string or a number do not count.
///
/// Threading: any thread.
public final class AnswerCheck {
    private static final int BYTES = 256;
    /// Each byte is a token, and one more token ends the text.
    static final TokenTrie EACH_BYTE = new TokenTrie(
            BYTES + 1, id -> id < BYTES ? new byte[] {(byte) id} : new byte[0], new BitSet(), List.of(BYTES));
    /// What the constraints of all checks may take together while they are not used.
    private static final long KEPT_BYTES = 32L << 20;

    private static final Constraints KEPT = new Constraints(EACH_BYTE, KEPT_BYTES);

    /// How many bytes are read each time. A text that takes more to find the order of its members counts as wrong.
    private static final int MAX_READ = 1 << 22;
    /// Numbers are written without an exponent if they have fewer digits.
    private static final int MAX_DIGITS = 400;

    private static final JsonMapper JSON = JsonMapper.builder(JsonFactory.builder()
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(BYTES)
                            .build())
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .build();

    private final Expression expression;

    private AnswerCheck(Expression expression) {
        this.expression = expression;
    }

    /// @param schema a JSON schema as JSON text
    public static AnswerCheck ofSchema(String schema) {
        return new AnswerCheck(new Expression.Json(schema));
    }

    public static AnswerCheck ofRegex(String regex) {
        return new AnswerCheck(new Expression.Pattern(regex));
    }

    public static AnswerCheck ofChoice(List<String> texts) {
        return new AnswerCheck(Expression.choice(texts));
    }

    /// @throws IllegalArgumentException if the format cannot be enforced, and so not be checked
    public void prepare() {
        var _ = KEPT.get(expression);
    }

    /// @throws IllegalArgumentException as [#prepare()]
    public boolean accepts(String text) {
        var constraint = KEPT.get(expression);
        return expression instanceof Expression.Json
                ? acceptsJson(constraint, text)
                : isWhole(new Reading(false).text(constraint.begin(), text));
    }

    /// @param constraint over [#EACH_BYTE]
    static boolean acceptsJson(Constraint constraint, String json) {
        if (isWhole(new Reading(false).text(constraint.begin(), json))) {
            return true;
        }
        try {
            var value = JSON.readTree(json);
            // To find an order takes the square of the number of members, so first as they are written.
            return !value.isMissingNode()
                    && (isWhole(new Reading(false).value(constraint.begin(), value))
                            || isWhole(new Reading(true).value(constraint.begin(), value)));
        } catch (JsonProcessingException _) {
            return false;
        }
    }

    private static boolean isWhole(@Nullable ConstraintState end) {
        return end != null && end.isComplete();
    }

    /// Goes through a constraint with one text.
    private static final class Reading {
        private final boolean reorders;
        private int read;

        /// @param reorders whether the members of objects may be in another order than they are written in
        Reading(boolean reorders) {
            this.reorders = reorders;
        }

        /// The state after a text; null if it is not allowed.
        @Nullable
        ConstraintState text(@Nullable ConstraintState from, String text) {
            if (from == null || WholeCharacters.brokenAt(text, 0) >= 0) {
                return null;
            }
            var state = from.copy();
            for (var value : text.getBytes(StandardCharsets.UTF_8)) {
                if (read++ > MAX_READ || !state.advance(value & 0xFF)) {
                    return null;
                }
            }
            return state;
        }

        /// The state after a value in the spelling that the constraint has.
        @Nullable
        ConstraintState value(@Nullable ConstraintState from, JsonNode value) {
            if (from == null) {
                return null;
            }
            return switch (value.getNodeType()) {
                case OBJECT -> object(from, value);
                case ARRAY -> {
                    var state = text(from, "[");
                    for (var index = 0; index < value.size(); index++) {
                        state = value(text(state, index == 0 ? "" : ","), value.get(index));
                    }
                    yield text(state, "]");
                }
                case STRING -> text(from, quoted(value.textValue()));
                case NUMBER -> text(from, number(value.decimalValue()));
                case BOOLEAN, NULL, BINARY, MISSING, POJO -> text(from, value.toString());
            };
        }

        private @Nullable ConstraintState object(ConstraintState from, JsonNode object) {
            var state = text(from, "{");
            if (!reorders) {
                var mark = "";
                for (var member : object.properties()) {
                    state = member(state, mark, member);
                    mark = ",";
                }
                return text(state, "}");
            }
            var left = new ArrayList<>(object.properties());
            for (var mark = ""; !left.isEmpty(); mark = ",") {
                state = firstOf(state, mark, left);
                if (state == null) {
                    return null;
                }
            }
            return text(state, "}");
        }

        private @Nullable ConstraintState member(
                @Nullable ConstraintState from, String mark, Map.Entry<String, JsonNode> member) {
            return value(text(from, mark + quoted(member.getKey()) + ":"), member.getValue());
        }

        /// The state after the member that comes first: all others that may come now may still come after it. It is
        /// removed from those that are left.
        private @Nullable ConstraintState firstOf(
                @Nullable ConstraintState from, String mark, List<Map.Entry<String, JsonNode>> left) {
            var possible = left.stream()
                    .filter(member -> text(from, mark + quoted(member.getKey())) != null)
                    .toList();
            for (var member : possible) {
                var after = member(from, mark, member);
                var isFirst = possible.stream()
                        .allMatch(other -> other == member || text(after, "," + quoted(other.getKey())) != null);
                if (after != null && isFirst) {
                    left.remove(member);
                    return after;
                }
            }
            return null;
        }
    }

    private static String number(BigDecimal number) {
        return Math.abs((long) number.scale()) > MAX_DIGITS || number.precision() > MAX_DIGITS
                ? number.toString()
                : number.signum() == 0 ? "0" : number.stripTrailingZeros().toPlainString();
    }

    /// A string in which only those characters are escaped that the constraint has escaped.
    private static String quoted(String text) {
        var quoted = new StringBuilder("\"");
        for (var i = 0; i < text.length(); i++) {
            var c = text.charAt(i);
            switch (c) {
                case '"', '\\' -> quoted.append('\\').append(c);
                case '\b' -> quoted.append("\\b");
                case '\f' -> quoted.append("\\f");
                case '\n' -> quoted.append("\\n");
                case '\r' -> quoted.append("\\r");
                case '\t' -> quoted.append("\\t");
                default -> {
                    if (c < ' ' || c == 0x7f) {
                        quoted.append("\\u%04x".formatted((int) c));
                    } else {
                        quoted.append(c);
                    }
                }
            }
        }
        return quoted.append('"').toString();
    }
}
