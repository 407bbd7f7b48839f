import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react';
import { type Dictionary, en, type Key } from './en';
import { ru } from './ru';

export type Language = 'en' | 'ru';
const dictionaries: Record<Language, Dictionary> = { en, ru };
const stored = 'tollbook.language';

interface Texts {
  t: (key: Key, values?: Record<string, string | number>) => string;
  language: Language;
  setLanguage: (language: Language) => void;
}

const Context = createContext<Texts | null>(null);

function first(): Language {
  const kept = localStorage.getItem(stored);
  if (kept === 'en' || kept === 'ru') return kept;
  return navigator.language.startsWith('ru') ? 'ru' : 'en';
}

export function TextsProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState<Language>(first);
  useEffect(() => {
    localStorage.setItem(stored, language);
    document.documentElement.lang = language;
  }, [language]);
  const texts = useMemo<Texts>(() => {
    const dictionary = dictionaries[language];
    return {
      language,
      setLanguage,
      t: (key, values = {}) => dictionary[key].replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? '')),
    };
  }, [language]);
  return <Context.Provider value={texts}>{children}</Context.Provider>;
}

export function useTexts(): Texts {
  const texts = useContext(Context);
  if (!texts) throw new Error('no TextsProvider');
  return texts;
}
