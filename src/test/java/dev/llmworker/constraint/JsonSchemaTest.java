package dev.llmworker.constraint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.exc.StreamReadException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.TextNode;
import com.networknt.schema.ExecutionContext;
import com.networknt.schema.JsonMetaSchema;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SchemaValidatorsConfig;
import com.networknt.schema.SpecVersion;
import com.networknt.schema.format.EmailFormat;
import dev.llmworker.constraint.Expression.Json;
import dev.llmworker.constraint.Expression.Spacing;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Which texts a schema allows, compared with a validator's opinion.
@Concurrent
class JsonSchemaTest {
    private static final TokenTrie TRIE = TestVocabulary.trie();
    private static final ObjectMapper MAPPER =
            new ObjectMapper().enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS);

    private static boolean accepts(String schema, String text) {
        return TestVocabulary.accepts(new Constraint(new Json(schema), TRIE), text);
    }

    /// The validator knows the top-level domains of one day. Which ones there are is not part of the format.
    private static final class AnyTopLevelDomain extends EmailFormat {
        @Override
        public boolean matches(ExecutionContext context, String text) {
            return super.matches(
                    context,
                    text.replaceFirst("(?<=@.{0,300}[.])[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$", "com"));
        }
    }

    private static final JsonSchemaFactory VALIDATOR = JsonSchemaFactory.getInstance(
            SpecVersion.VersionFlag.V202012,
            factory -> factory.metaSchema(JsonMetaSchema.builder(JsonMetaSchema.getV202012())
                    .format(new AnyTopLevelDomain())
                    .build()));

    private static boolean isValid(JsonNode schema, JsonNode value) {
        var config =
                SchemaValidatorsConfig.builder().formatAssertionsEnabled(true).build();
        return VALIDATOR.getSchema(schema, config).validate(value).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({
        "a@b.e,true",
        "a@b,true",
        "a@x.y-,false",
        "a@-x.e,false",
        "a b@x.e,false",
        "a@x..e,false",
        "a.@x.e,false"
    })
    void theValidatorKnowsAddressesOfAnyDomain(String address, boolean isValid) {
        var schema = MAPPER.createObjectNode().put("type", "string").put("format", "email");
        assertEquals(isValid, isValid(schema, TextNode.valueOf(address)));
        assertEquals(isValid, accepts(schema.toString(), "\"" + address + "\""));
    }

    private static ConstraintException rejected(String schema) {
        return assertThrows(ConstraintException.class, () -> new Constraint(new Json(schema), TRIE), schema);
    }

    @Test
    void validValuesAreAllowedHoweverTheyAreSpaced() {
        for (var one : SchemaCases.all()) {
            var schema = one.get("schema").toString();
            for (var value : one.get("valid")) {
                assertTrue(accepts(schema, value.toString()), () -> schema + " allows " + value);
                assertTrue(accepts(schema, value.toPrettyString()), () -> schema + " allows " + value.toPrettyString());
                assertTrue(
                        TestVocabulary.accepts(new Constraint(new Json(schema, Spacing.NONE), TRIE), value.toString()));
            }
            for (var value : one.get("invalid")) {
                assertFalse(accepts(schema, value.toString()), () -> schema + " does not allow " + value);
            }
        }
    }

    private static final String NESTED = """
        {"type":"object","properties":{"a":{"type":"string","minLength":1,"maxLength":4},"b":{"type":["boolean","null"]},
        "c":{"type":"array","items":{"enum":["x",2,{"d":"e"}]}},"p":{"type":"string","pattern":"^[\\"'<]+$"}},
        "additionalProperties":{"type":"object","additionalProperties":{}}}""";

    private static boolean accepts(Expression.Notation notation, String text) {
        return TestVocabulary.accepts(new Constraint(new Json(NESTED, notation, Expression.WHOLE), TRIE), text);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "true  | {a:<q>x<q>}",
                "true  | {a:<q>\\\"}<<q>,b:null,c:[<q>x<q>,2,{d:<q>e<q>}],z:{k.1:[{},[],<q>\"<q>],l:{m:{n:1.5}}}}",
                "true  | {p:<q>\"'<<q>}",
                "true  | {}",
                "false | {a:<q><q>}",
                "false | {a:<q>x<q>y<q>}",
                "false | {a:<q>12345<q>}",
                "false | {\"a\":<q>x<q>}",
                "false | {a:\"x\"}",
                "false | {a: <q>x<q>}",
                "false | {b:None}",
                "false | {z:{k:1,}}",
                "true  | {z:{k  l (m):1,[n]:{):2}}}",
                "false | {z:{k :1}}",
                "false | {z:{k}:1}}",
            })
    void bareNamesHaveNoQuotesAndStringsHaveTheirOwn(boolean isAllowed, String text) {
        assertEquals(isAllowed, accepts(new Expression.Notation.Bare(Expression.literal("<q>")), text));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "true  | {\"a\": 'x', 'b': None}",
                "true  | {'a': '\\'\"\\n', \"b\": True, 'c': [\"x\", 'x', 2, {'d': \"e\"}]}",
                "true  | {'b': null, 'p': '\"\\'<', 'z': {'k': {'n': False}, \"l\": {\"m\": \"it's\"}}}",
                "false | {'a': 'x\"}",
                "false | {'a': 'x'y'}",
                "false | {'a': 'x\\/'}",
                "false | {a: 'x'}",
                "false | {'b': none}",
            })
    void pythonHasQuotesOfBothKindsAndWordsOfItsOwn(boolean isAllowed, String text) {
        assertEquals(isAllowed, accepts(new Expression.Notation.Python(), text));
    }

    @Test
    void aNameThatANotationCannotWriteIsRejected() {
        var schema = "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\",\"properties\":{\"b:c\":{}},"
                + "\"required\":[\"b:c\"]}}}";
        var bare = new Expression.Notation.Bare(Expression.literal("<q>"));
        var json = new Json(schema, bare, Expression.WHOLE);
        assertThrows(ConstraintException.class, () -> new Constraint(json, TRIE));
    }

    @Test
    void aPropertyThatANotationCannotWriteIsLeftOutIfItMayBe() {
        var schema =
                "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b:c\":{},\"d e\":{\"type\":\"null\"}},"
                        + "\"additionalProperties\":false}";
        var bare = new Expression.Notation.Bare(Expression.literal("<q>"));
        var constraint = new Constraint(new Json(schema, bare, Expression.WHOLE), TRIE);
        assertTrue(TestVocabulary.accepts(constraint, "{a:1,d e:null}"));
        assertTrue(TestVocabulary.accepts(constraint, "{}"));
        assertFalse(TestVocabulary.accepts(constraint, "{b:c:1}"));
    }

    /// As many tools have, with objects that are open and have a least number of properties.
    @Test
    void manyObjectsWithNamesWithoutQuotesAreWithinTheLimits() {
        var objects = IntStream.range(0, 200)
                .mapToObj(i -> "\"p" + i + "\":{\"type\":\"object\",\"properties\":{\"a\":{}},\"minProperties\":3}")
                .collect(Collectors.joining(",", "{\"type\":\"object\",\"properties\":{", "}}"));
        var bare = new Expression.Notation.Bare(Expression.literal("<q>"));
        var constraint = new Constraint(new Json(objects, bare, Expression.WHOLE), TRIE);
        assertTrue(TestVocabulary.accepts(constraint, "{p199:{a:1,b:2,[c]:3}}"));
        assertFalse(TestVocabulary.accepts(constraint, "{p199:{a:1,b:2}}"));
    }

    @Seeded
    @Test
    void randomAnswersAreValid() throws IOException {
        var random = Seeds.random();
        var finished = 0;
        for (var round = 0; round < Seeds.rounds(2); round++) {
            for (var one : SchemaCases.all()) {
                finished += walk(one.get("schema"), random);
            }
        }
        for (var round = 0; round < Seeds.rounds(200); round++) {
            finished += walk(new RandomSchema(random).schema(), random);
        }
        assertTrue(finished > 200, finished + " answers ended");
    }

    private static int walk(JsonNode schema, Random random) throws IOException {
        // As MAPPER reads the answer, so that numbers are compared by their values.
        var exact = MAPPER.readTree(schema.toString());
        Constraint constraint;
        try {
            constraint = new Constraint(new Json(schema.toString()), TRIE);
        } catch (ConstraintException e) {
            // A random schema may allow nothing.
            assertTrue(e.getMessage().contains("allows no value"), () -> schema + " " + e.getMessage());
            return 0;
        }
        var answer = new RandomWalk(TRIE, random, random.nextInt(30), 500).run(constraint);
        if (answer == null) {
            return 0;
        }
        var text = new String(answer, StandardCharsets.UTF_8);
        assertEquals(answer.length, text.getBytes(StandardCharsets.UTF_8).length, "characters are whole");
        if (!isRefusedByValidator(schema.toString(), text)) {
            var value = MAPPER.readTree(text);
            assertTrue(hasANameTwice(text) || isValid(exact, value), () -> schema + " does not allow " + text);
        }
        return 1;
    }

    /// Whether this validator refuses what it should not: large exponents, multiples that a double cannot be, and the
    /// time zone `-00:00`, by which RFC 3339 says that nobody knows it.
    private static boolean isRefusedByValidator(String schema, String text) {
        return text.matches("(?s).*[0-9][eE][+-]?[0-9]{3,}.*")
                || schema.contains("multipleOf") && text.matches("(?s).*[0-9.]{15,}.*")
                || schema.contains("time\"") && text.contains("-00:00\"");
    }

    /// A model may write a name that the schema does not declare twice: no automaton remembers it.
    private static boolean hasANameTwice(String text) throws IOException {
        try {
            MAPPER.reader().with(StreamReadFeature.STRICT_DUPLICATE_DETECTION).readTree(text);
            return false;
        } catch (StreamReadException _) {
            return true;
        }
    }

    @Seeded
    @Test
    void randomValuesAreAllowedIfAValidatorSaysSo() {
        var random = Seeds.random();
        var allowed = 0;
        for (var round = 0; round < Seeds.rounds(400); round++) {
            var schemas = new RandomSchema(random);
            var schema = schemas.schema();
            var value = schemas.value(schema, 0);
            var isValid = isValid(schema, value);
            boolean accepted;
            try {
                accepted = accepts(schema.toString(), value.toString());
            } catch (ConstraintException e) {
                assertTrue(e.getMessage().contains("allows no value"), () -> schema + " " + e.getMessage());
                accepted = false;
            }
            if (accepted && !isValid || isValid && !accepted && !mayBeInOtherOrder(value)) {
                throw new AssertionError(schema + (isValid ? " allows " : " does not allow ") + value);
            }
            allowed += accepted ? 1 : 0;
        }
        assertTrue(allowed > 50, allowed + " values were allowed");
    }

    /// Whether an object with several properties may be in another order than the schema.
    private static boolean mayBeInOtherOrder(JsonNode value) {
        for (var part : value) {
            if (mayBeInOtherOrder(part)) {
                return true;
            }
        }
        return value.isObject() && value.size() > 1;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "{\"type\":\"object\",\"properties\":{\"a\":{\"dependentRequired\":{\"a\":[\"b\"]}}}}; $.properties.a.dependentRequired",
                "{\"type\":\"array\",\"uniqueItems\":true}; $.uniqueItems",
                "{\"items\":{\"contains\":{}}}; $.items.contains",
                "{\"not\":{}}; $.not",
                "{\"if\":{}}; $.if",
                "{\"anyOf\":[{},{\"minLenght\":1}]}; $.anyOf[1].minLenght",
                "{\"$defs\":{\"x y\":{\"unevaluatedProperties\":false}},\"$ref\":\"#/$defs/x y\"}; $.$defs[\"x y\"].unevaluatedProperties",
                "{\"$ref\":\"https://example.com/other\"}; $.$ref",
                "{\"$ref\":\"#/$defs/none\"}; $.$ref",
                "{\"$dynamicRef\":\"#a\"}; $.$dynamicRef",
                "{\"properties\":{\"a\":{\"$id\":\"x\"}}}; $.properties.a.$id",
                "{\"type\":\"text\"}; $.type",
                "{\"minLength\":\"1\"}; $.minLength",
                "{\"maxItems\":-1}; $.maxItems",
                "{\"minimum\":\"0\"}; $.minimum",
                "{\"multipleOf\":0}; $.multipleOf",
                "{\"enum\":[]}; $.enum",
                "{\"required\":\"a\"}; $.required",
                "{\"format\":\"iban\"}; $.format",
                "{\"pattern\":\"(?=a)\"}; $.pattern",
                "{\"properties\":{\"a\":1}}; $.properties.a",
                "{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"number\"}]}; $.oneOf",
                "{\"oneOf\":[{\"required\":[\"a\"]},{\"required\":[\"b\"]}]}; $.oneOf",
                "{\"$ref\":\"#\"}; $",
                "{\"$defs\":{\"a\":{\"allOf\":[{\"$ref\":\"#/$defs/a\"}]}},\"$ref\":\"#/$defs/a\"}; $.$defs.a",
            })
    void whatIsNotEnforcedIsRejectedByItsPath(String schema, String path) {
        assertEquals(path, rejected(schema).path(), schema);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "false",
                "{\"type\":\"integer\",\"minimum\":5,\"maximum\":4}",
                "{\"type\":\"string\",\"minLength\":3,\"maxLength\":2}",
                "{\"type\":\"string\",\"pattern\":\"^a$\",\"minLength\":2}",
                "{\"const\":1,\"type\":\"string\"}",
                "{\"enum\":[1,2],\"minimum\":3}",
                "{\"allOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}",
                "{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":false}}",
                "{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":{\"$ref\":\"#\"}}}",
                "{\"type\":\"array\",\"minItems\":1,\"items\":false}",
                "{\"type\":\"array\",\"minItems\":3,\"maxItems\":2}"
            })
    void aSchemaThatAllowsNothingIsRejected(String schema) {
        assertTrue(rejected(schema).getMessage().contains("allows no value"), schema);
    }

    @Test
    void whiteSpaceIsLimited() {
        var schema = "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\"}}}";
        assertTrue(accepts(schema, "{ \"a\" : [ 1 , 2 ] }"));
        assertTrue(accepts(schema, "{\r\n\t\"a\":\n" + " ".repeat(40) + "[\n]\n}"));
        assertFalse(accepts(schema, "{  \"a\":[]}"));
        assertFalse(accepts(schema, "{\n\n\"a\":[]}"));
        assertFalse(accepts(schema, "{\n" + " ".repeat(41) + "\"a\":[]}"));
        assertFalse(accepts(schema, " {}"));
        assertFalse(accepts(schema, "{} "));
        assertFalse(TestVocabulary.accepts(new Constraint(new Json(schema, Spacing.NONE), TRIE), "{ }"));
    }

    @Test
    void stringsAreText() {
        var schema = "{\"type\":\"string\",\"maxLength\":1}";
        for (var text : new String[] {
            "\"é\"",
            "\"😀\"",
            "\"\\u00e9\"",
            "\"\\uD83D\\uDE00\"",
            "\"\\ud83d\\ude00\"",
            "\"\\n\"",
            "\"\\/\"",
            "\"/\"",
            "\"\\u0000\""
        }) {
            assertTrue(accepts(schema, text), text);
        }
        for (var text : new String[] {
            "\"\\ud83d\"",
            "\"\\ude00\"",
            "\"\\ud83d\\u0041\"",
            "\"\\ude00\\ud83d\"",
            "\"\n\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\t\"",
            "\"ab\"",
            "\"\\u00e9a\""
        }) {
            assertFalse(accepts(schema, text), text);
        }
        var state = new Constraint(new Json(schema), TRIE).begin();
        state.advance(2 + '"');
        for (var b : new int[] {0x80, 0xC0, 0xC1, 0xF5, 0xFE, 0xFF}) {
            assertFalse(TestVocabulary.has(state.mask(), 2 + b), "byte " + b);
        }
    }

    /// No other spelling of a declared name passes for an undeclared one.
    @Test
    void aNameIsTheSameHoweverItIsEscaped() {
        var schema =
                "{\"type\":\"object\",\"properties\":{\"ab\":{\"type\":\"integer\"}},\"additionalProperties\":{\"type\":\"string\"}}";
        assertTrue(accepts(schema, "{\"ab\":1,\"a\\u0063\":\"x\",\"\\u00e9\":\"y\"}"));
        assertFalse(accepts(schema, "{\"\\u0061b\":\"x\"}"));
        assertFalse(accepts(schema, "{\"ab\":\"x\"}"));
    }

    @Test
    void propertiesHaveTheOrderOfTheSchema() {
        var schema = "{\"type\":\"object\",\"properties\":{\"b\":{},\"a\":{}},\"required\":[\"z\"]}";
        assertTrue(accepts(schema, "{\"b\":1,\"a\":2,\"z\":3,\"y\":4}"));
        assertFalse(accepts(schema, "{\"a\":2,\"b\":1,\"z\":3}"));
        assertFalse(accepts(schema, "{\"y\":1,\"z\":3}"));
    }

    @Test
    void freeJsonNestsToALimitedDepth() {
        var constraint = new Constraint(Expression.jsonObject(), TRIE);
        var state = constraint.begin();
        assertTrue(state.advance(2 + '{'));
        for (var id : TestVocabulary.bytes("\"a\":")) {
            assertTrue(state.advance(id));
        }
        var depth = 0;
        while (state.advance(2 + '[')) {
            depth++;
        }
        assertTrue(depth >= 64 && depth < 300, "depth " + depth);
        assertTrue(state.advance(2 + '1'));
    }

    @Test
    void recursionMayBeDeepAndAmbiguous() {
        var schema = """
            {"$defs":{"n":{"anyOf":[
                {"type":"object","properties":{"n":{"$ref":"#/$defs/n"},"a":{"type":"integer"}},"additionalProperties":false},
                {"type":"object","properties":{"n":{"$ref":"#/$defs/n"},"b":{"type":"integer"}},"additionalProperties":false}]}},
             "$ref":"#/$defs/n"}""";
        var levels = 300;
        var text = "{\"n\":".repeat(levels) + "{\"a\":1}" + ",\"b\":1}".repeat(levels);
        assertTrue(accepts(schema, text));
        assertFalse(accepts(schema, text + "}"));
    }

    @Test
    void limitsAreNamed() {
        var large = new StringBuilder("{\"enum\":[");
        for (var i = 0; i < 60_000; i++) {
            large.append("{\"k").append(i).append("\":").append(i).append("},");
        }
        assertTrue(rejected(large + "1]}").getMessage().contains("limit"));
        assertTrue(rejected(" ".repeat(Limits.SCHEMA_CHARACTERS) + "{}")
                .getMessage()
                .contains("limit"));
        assertTrue(rejected("{\"items\":".repeat(200) + "{}" + "}".repeat(200))
                .getMessage()
                .contains("JSON"));
        var ways = new ArrayList<String>();
        for (var i = 0; i < 12; i++) {
            ways.add("{\"anyOf\":[{\"minimum\":" + i + "},{\"maximum\":" + i + "}]}");
        }
        assertTrue(rejected("{\"allOf\":" + ways + "}").getMessage().contains("2000 ways"));
        assertTrue(rejected("{\"pattern\":\"(a|b)*a(a|b){30}\"}").getMessage().contains("states"));
        assertTrue(
                rejected("{\"pattern\":\"((a{100}){100}){100}\"}").getMessage().contains("nodes"));
        assertTrue(rejected("{\"type\":\"integer\",\"minimum\":1e999999999}")
                .getMessage()
                .contains("digits"));
        assertTrue(rejected("{\"type\":\"integer\",\"multipleOf\":100003}")
                .getMessage()
                .contains("multipleOf"));
        assertTrue(rejected("{\"pattern\":\"^a*$\",\"maxLength\":1000000}")
                .getMessage()
                .contains("states"));
        assertTrue(rejected("{\"type\":\"object\",\"maxProperties\":1000000}")
                .getMessage()
                .contains("limited"));
    }

    /// Each part is small, but there are many of them, or they refer to each other for ever.
    @Test
    void theTimeToCompileIsBoundedAsAWhole() {
        var patterns = new ArrayList<String>();
        var names = new ArrayList<String>();
        var chain = new ArrayList<String>();
        for (var i = 0; i < 4000; i++) {
            patterns.add("\"p" + i + "\":{\"pattern\":\"(a|b)*a(a|b){9}x{" + i % 90 + "}\"}");
            names.add("{\"minProperties\":0,\"properties\":{\"n" + i + "\":{},\"m" + i + "\":{}}}");
            chain.add("\"d" + i + "\":{\"anyOf\":[{\"$ref\":\"#/$defs/d" + (i + 1) + "\"},{}]}");
        }
        assertTrue(rejected("{\"properties\":{" + String.join(",", patterns) + "}}")
                .getMessage()
                .contains("steps"));
        assertTrue(rejected("{\"allOf\":" + names + "}").getMessage().contains("steps"));
        var lists = "{\"enum\":" + IntStream.range(0, 9000).boxed().toList() + "}";
        assertTrue(rejected("{\"allOf\":[" + lists + "," + lists + "]}")
                .getMessage()
                .contains("steps"));
        assertTrue(rejected("{\"$ref\":\"#/$defs/d0\",\"$defs\":{" + String.join(",", chain) + ",\"d4000\":{}}}")
                .getMessage()
                .contains("limit"));
    }

    /// Short numbers whose digits would fill the memory if they were written out.
    @ParameterizedTest
    @Timeout(20)
    @ValueSource(
            strings = {
                "{\"type\":\"number\",\"multipleOf\":1e600000000}",
                "{\"type\":\"number\",\"multipleOf\":7e-99999999}",
                "{\"allOf\":[{\"multipleOf\":7e-99999999},{\"multipleOf\":3}]}",
                "{\"const\":1,\"multipleOf\":1e-99999999}",
                "{\"const\":1e600000000,\"multipleOf\":3}",
                "{\"enum\":[1,1e-600000000],\"type\":\"integer\"}",
                "{\"minimum\":1e600000000}",
                "{\"exclusiveMaximum\":-1e-600000000}",
                "{\"maxLength\":1e600000000}",
                "{\"minItems\":1e-600000000}"
            })
    void numbersOfTooManyDigitsAreRejected(String schema) {
        assertTrue(rejected(schema).getMessage().contains("100 digits"), schema);
    }

    @Test
    @Timeout(20)
    void theLeastCommonMultipleIsLimited() {
        var many = IntStream.range(1, 5000)
                .mapToObj(i -> "{\"multipleOf\":" + (10_000_019 + 2 * i) + "}")
                .toList();
        assertTrue(rejected("{\"allOf\":" + many + "}").getMessage().contains("100 digits"));
    }

    /// What was looked up again for each item, name or pair of branches.
    @Test
    @Timeout(20)
    void whatGrowsWithTheSquareOfASchemaIsBounded() {
        var many = IntStream.range(0, 20_000).boxed().toList();
        assertTrue(rejected("{\"oneOf\":"
                        + many.stream().map(i -> "{\"const\":" + i % 9 + "}").toList() + "}")
                .getMessage()
                .contains("branches; the limit is 2000"));
        var items = many.stream().map(_ -> "{}").toList();
        new Constraint(new Json("{\"type\":\"array\",\"items\":false,\"prefixItems\":" + items + "}"), TRIE);
        var names = IntStream.range(0, 6000).mapToObj(i -> "\"" + i + "\"").toList();
        var all = "{\"type\":\"object\",\"propertyNames\":{\"enum\":" + names + "},\"required\":" + names + "}";
        new Constraint(new Json("{\"oneOf\":[" + all + ",{\"type\":\"null\"}]}"), TRIE);
    }

    @Test
    void compilingEndsIfTheThreadIsInterrupted() {
        Thread.currentThread().interrupt();
        try {
            assertThrows(CancellationException.class, () -> accepts("{\"pattern\":\"a{5000}\"}", "1"));
            assertTrue(Thread.currentThread().isInterrupted());
        } finally {
            Thread.interrupted();
        }
    }

    @Test
    void aListedNameIsAString() {
        var schema = "{\"type\":\"object\",\"propertyNames\":{\"enum\":[1,\"a\"]}}";
        assertTrue(accepts(schema, "{\"a\":0}"));
        assertFalse(accepts(schema, "{\"1\":0}"));
    }

    @Test
    void longBoundsNeedNoLargeGrammar() {
        var schema =
                "{\"type\":\"array\",\"maxItems\":1000000,\"items\":{\"type\":\"string\",\"maxLength\":2147483648}}";
        assertTrue(accepts(schema, "[\"" + "a".repeat(5000) + "\"" + ",\"b\"".repeat(500) + "]"));
    }

    @Test
    void aSchemaMustBeJson() {
        for (var text : new String[] {"", "{", "1", "[]", "{\"a\":1,\"a\":2}", "{} {}"}) {
            assertEquals("$", rejected(text).path(), text);
        }
    }
}
