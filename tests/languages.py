"""Sentences of the languages that legacy encodings were made for."""

# ruff: noqa: RUF001 -- the letters of other scripts are meant

SAID = {
    "windows-1251": ("ru", "Городская библиотека открыла новый читальный зал, вход свободный."),
    "koi8-r": ("ru", "Каждый день сюда приходят школьники, студенты и пожилые люди."),
    "iso-8859-5": ("ru", "По субботам проходят встречи с писателями, задавайте вопросы."),
    "ibm866": ("ru", "Для записи в библиотеку нужен паспорт или другой документ."),
    "koi8-u": ("ua", "Міська бібліотека відкрила нову читальну залу, її ґанок у квітах."),
    "iso-8859-2": ("pl", "Wiosną w naszej bibliotece otwarto nową czytelnię, jest święto, źródło światła."),
    "windows-1250": ("cz", "Na jaře byla v naší knihovně otevřena nová čítárna, šťastný žák přišel."),
    "windows-1253": ("gr", "Την άνοιξη άνοιξε στη βιβλιοθήκη μας ένα νέο αναγνωστήριο."),
    "windows-1254": ("tr", "Baharda kütüphanemizde yeni bir okuma salonu açıldı, çiçek, ağaç, şeker, ışık."),
    "windows-1255": ("il", "באביב נפתח בספרייה שלנו אולם קריאה חדש, הכניסה חופשית."),
    "windows-1256": ("eg", "افتتحت في الربيع قاعة جديدة للقراءة في مكتبتنا العامة."),
    "windows-1257": ("lt", "Pavasarį mūsų bibliotekoje atidaryta nauja skaitykla, šeštadieniais vyksta susitikimai."),
    "windows-874": ("th", "ในฤดูใบไม้ผลิห้องสมุดของเราเปิดห้องอ่านหนังสือแห่งใหม่"),
    "windows-1252": ("fr", "Au printemps, une nouvelle salle a été ouverte à la bibliothèque : où ça, là-bas."),
    "shift_jis": ("jp", "春になって、私たちの図書館に新しい閲覧室ができました。"),
    "euc-jp": ("jp", "毎日、生徒や学生、お年寄りが新聞を読みにやって来ます。"),
    "iso-2022-jp": ("jp", "土曜日には作家との集まりがあり、どんな質問でもできます。"),
    "gbk": ("cn", "春天，我们的图书馆开了一间新的阅览室，入场免费。"),
    "big5": ("tw", "春天，我們的圖書館開了一間新的閱覽室，入場免費。"),
    "euc-kr": ("kr", "봄에 우리 도서관에 새로운 열람실이 문을 열었습니다."),
}
"""By encoding: a top-level domain, and a sentence of a language that is written so there."""
